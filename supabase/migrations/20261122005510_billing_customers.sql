-- Who pays: a person or an organization, and what Stripe calls them.

set lock_timeout = '5s';

create table billing.customers (
    id uuid constraint customers_pkey primary key default gen_random_uuid(),
    user_id uuid constraint customers_user_id_fkey references public.profiles (id),
    organization_id uuid constraint customers_organization_id_fkey references public.organizations (id),
    email text,
    email_of uuid constraint customers_email_of_fkey references public.profiles (id),
    stripe_id text,
    created_at timestamptz not null default now(),
    constraint a_person_or_an_organization check (num_nonnulls(user_id, organization_id) = 1),
    constraint one_customer_per_person unique (user_id),
    constraint one_customer_per_organization unique (organization_id),
    constraint one_customer_per_stripe_id unique (stripe_id),
    constraint email_is_an_address check (core.is_email(email))
);
comment on table billing.customers is 'Who pays: exactly one person or one organization each. Made with the first purchase, kept for ever.';
comment on column billing.customers.email is
'Where Stripe sends receipts, as it was when the customer was made: a repeated call to Stripe must say the same. Erased with the person.';
comment on column billing.customers.email_of is
'Whose address it is: of an organization, the admin who made it a customer. With them it is erased.';

create index customers_by_address on billing.customers (email_of);

create trigger _100_refuse_another_owner
before update on billing.customers
for each row
when (
    (old.id, old.user_id, old.organization_id) is distinct from (new.id, new.user_id, new.organization_id)
    or (old.stripe_id is not null and new.stripe_id is distinct from old.stripe_id)
)
execute function core.refuse_change('A customer stays who they are, here and at Stripe.');

create function billing.require_owner_of_customer()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
begin
    select c.user_id, c.organization_id into new.user_id, new.organization_id
    from billing.customers as c
    where c.id = new.customer_id;
    return new;
end
$$;
comment on function billing.require_owner_of_customer() is 'Whose it is follows from the customer, whatever the statement says.';

create function billing.lock_customer(customer_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform from public.profiles as p
    where p.id = (select c.user_id from billing.customers as c where c.id = customer_id)
    for no key update;
    if not found then
        perform from public.organizations as o
        where o.id = (select c.organization_id from billing.customers as c where c.id = customer_id)
        for no key update;
    end if;
end
$$;
comment on function billing.lock_customer(uuid) is
'Queues everything that Stripe reports about one customer at the row of the person or organization, which is where everybody begins to lock.';

create function billing.my_customer(organization_id uuid)
returns billing.customers
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.lock_profile();
    v_customer billing.customers;
begin
    if organization_id is not null then
        perform identity.require_role(organization_id, 'admin');
    end if;
    if core.is_email(lower(v_profile.email)) is not true then
        perform core.fail('invalid_state', 'Give your account an e-mail address that can be written to.', '{"rule": "a_customer_has_an_address"}');
    end if;

    insert into billing.customers (user_id, organization_id, email, email_of)
    values (
        case when organization_id is null then v_profile.id end, organization_id, lower(v_profile.email), v_profile.id
    )
    on conflict do nothing;

    -- Requests of one customer queue here.
    select c.* into strict v_customer
    from billing.customers as c
    where
        -- No `case` between the two: each is found by its index.
        (my_customer.organization_id is null and c.user_id = v_profile.id)
        or c.organization_id = my_customer.organization_id
    for no key update;
    return v_customer;
end
$$;
comment on function billing.my_customer(uuid) is
'The customer that the caller is, or whose organization the caller administers; made if need be, and locked against a second request.';

create function billing.shown_customer(customer billing.customers)
returns jsonb
language sql
immutable
set search_path = ''
return jsonb_build_object('id', customer.id, 'stripe_id', customer.stripe_id, 'email', customer.email);
comment on function billing.shown_customer(billing.customers) is 'What the edge needs to know of a customer.';
