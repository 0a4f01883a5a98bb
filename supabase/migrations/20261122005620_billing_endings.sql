-- Who is gone pays no more: their subscriptions are canceled at Stripe, their open pages
-- closed, their addresses erased. What was paid stays.

set lock_timeout = '5s';

insert into jobs.kinds (kind, handler, max_attempts, description) values
(
    'billing.cancel_subscription', 'python', 20,
    'Cancels a subscription at Stripe whose person or organization is gone.'
),
('billing.expire_checkout', 'python', 20, 'Closes a checkout at Stripe that nobody is to pay any more.');

create function billing.end_customer()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_customer billing.customers;
begin
    -- Also where the address stands for an organization that goes on.
    if tg_table_name = 'profiles' then
        update billing.customers as c set email = null where c.email_of = new.id and c.email is not null;
    end if;
    select c.* into v_customer
    from billing.customers as c
    where case tg_table_name when 'profiles' then c.user_id = new.id else c.organization_id = new.id end;
    if not found then
        return null;
    end if;
    perform jobs.enqueue('billing.cancel_subscription', jsonb_build_object('subscription_id', s.id))
    from public.subscriptions as s
    where s.customer_id = v_customer.id and s.status <> 'canceled';
    perform jobs.enqueue('billing.expire_checkout', jsonb_build_object('checkout_id', c.id))
    from billing.checkouts as c
    where c.customer_id = v_customer.id and c.status in ('staged', 'open');

    update billing.customers as c set email = null where c.id = v_customer.id;
    if tg_table_name = 'profiles' then
        update public.orders as o set customer_email = null where o.user_id = new.id and o.customer_email is not null;
    end if;
    return null;
end
$$;
comment on function billing.end_customer() is
'When a person or an organization is deleted: what would go on charging them ends, and addresses are erased. Definer because the auth service writes neither.';

create trigger _300_end_customer
after update of deleted_at on public.profiles
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function billing.end_customer();

create trigger _300_end_customer
after update of deleted_at on public.organizations
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function billing.end_customer();

create function billing.end_late_subscription()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if
        exists (select from public.profiles as p where p.id = new.user_id and p.deleted_at is not null)
        or exists (select from public.organizations as o where o.id = new.organization_id and o.deleted_at is not null)
    then
        perform jobs.enqueue('billing.cancel_subscription', jsonb_build_object('subscription_id', new.id));
    end if;
    return null;
end
$$;
comment on function billing.end_late_subscription() is
'Whoever paid on an open page while they were being deleted is not charged for ever: what begins after the end is canceled as well.';

create trigger _400_end_late
after insert on public.subscriptions
for each row
when (new.status <> 'canceled')
execute function billing.end_late_subscription();

create function billing.end_late_checkout()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if exists (
        select from billing.customers as c
        left join public.profiles as p on c.user_id = p.id
        left join public.organizations as o on c.organization_id = o.id
        where c.id = new.customer_id and coalesce(p.deleted_at, o.deleted_at) is not null
    ) then
        perform jobs.enqueue('billing.expire_checkout', jsonb_build_object('checkout_id', new.id));
    end if;
    return null;
end
$$;
comment on function billing.end_late_checkout() is
'A page that Stripe opened while its customer was being deleted is closed as well: the deletion saw no session yet.';

create trigger _400_end_late
after update of stripe_id on billing.checkouts
for each row
when (old.stripe_id is null and new.stripe_id is not null and new.status = 'open')
execute function billing.end_late_checkout();

create function edge.start_cancellation(id bigint, lease bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    return (
        select jsonb_build_object('stripe_id', n.stripe_id)
        from public.subscriptions as s
        inner join billing.stripe_subscriptions as n on s.id = n.subscription_id
        where s.id = (v_job.payload ->> 'subscription_id')::uuid and s.status <> 'canceled'
    );
end
$$;
comment on function edge.start_cancellation(bigint, bigint) is
'What to cancel; null if it has ended or the lease is lost. Definer because the worker may not read subscriptions.';

create function edge.finish_cancellation(id bigint, lease bigint, subscription jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    if v_job.id is null then
        return;
    end if;
    if subscription is not null then
        perform billing.merge(subscription, null, 0, null);
    end if;
    perform jobs.finish(id, lease);
end
$$;
comment on function edge.finish_cancellation(bigint, bigint, jsonb) is
'Records the end as Stripe tells it and ends the job. Definer because the worker may not write subscriptions.';

create function edge.start_expiry(id bigint, lease bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    return (
        select jsonb_build_object('stripe_id', c.stripe_id)
        from billing.checkouts as c
        where c.id = (v_job.payload ->> 'checkout_id')::uuid and c.status = 'open'
    );
end
$$;
comment on function edge.start_expiry(bigint, bigint) is
'Which session to close; null if there is none or the lease is lost. Definer because the worker may not read checkouts.';

create function edge.finish_expiry(id bigint, lease bigint, session jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    if v_job.id is null then
        return;
    end if;
    if session is not null then
        perform billing.merge(session, null, null, null);
    end if;
    perform jobs.finish(id, lease);
end
$$;
comment on function edge.finish_expiry(bigint, bigint, jsonb) is
'Records how the session ended and ends the job. Definer because the worker may not write checkouts.';
