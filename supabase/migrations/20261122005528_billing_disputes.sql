-- Money that a bank takes back, or threatens to.

set lock_timeout = '5s';

create table public.disputes (
    id uuid constraint disputes_pkey primary key default gen_random_uuid(),
    payment_id uuid not null constraint disputes_payment_id_fkey references public.payments (id),
    user_id uuid,
    organization_id uuid,
    status text not null,
    currency text not null,
    amount bigint not null,
    reason text,
    evidence_due_by timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint amount_is_positive check (amount > 0),
    constraint currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint reason_is_short check (char_length(reason) <= 100)
);
comment on table public.disputes is 'Payments that a customer''s bank questions. Whoever paid reads it; Stripe reports it.';

create index disputes_of_a_payment on public.disputes (payment_id);
create index disputes_of_a_user on public.disputes (user_id);
create index disputes_of_an_organization on public.disputes (organization_id);

create table billing.stripe_disputes (
    dispute_id uuid constraint stripe_disputes_pkey primary key
    constraint stripe_disputes_dispute_id_fkey references public.disputes (id),
    stripe_id text not null,
    constraint one_dispute_per_stripe_id unique (stripe_id)
);
comment on table billing.stripe_disputes is 'What Stripe calls a dispute.';

create function billing.require_owner_of_payment()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
begin
    select p.user_id, p.organization_id into new.user_id, new.organization_id
    from public.payments as p
    where p.id = new.payment_id;
    return new;
end
$$;
comment on function billing.require_owner_of_payment() is 'Whose it is follows from the payment, whatever the statement says.';

create trigger _050_require_owner
before insert on public.disputes
for each row
execute function billing.require_owner_of_payment();

create trigger _100_refuse_another_dispute
before update on public.disputes
for each row
when (
    (old.id, old.payment_id, old.user_id, old.organization_id, old.currency, old.amount, old.created_at)
    is distinct from (
        new.id, new.payment_id, new.user_id, new.organization_id, new.currency, new.amount, new.created_at
    )
)
execute function core.refuse_change('A dispute stays about what it is about.');

create trigger _110_refuse_deletion
before delete or truncate on public.disputes
for each statement
execute function audit.refuse('Disputes are not deleted.');

create trigger _150_begin
before insert on public.disputes
for each row
execute function billing.require_transition('dispute');

create trigger _150_move
before update of status on public.disputes
for each row
when (old.status <> new.status)
execute function billing.require_transition('dispute');

create trigger _200_touch
before update on public.disputes
for each row
execute function core.touch();

create function billing.who_holds(status text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case
        when status in ('needs_response', 'under_review') then 'disputed'
        when status = 'lost' then 'customer'
        else 'revenue'
    end;
end
$$;
comment on function billing.who_holds(text) is
'Where the money of a dispute is: held back while the bank decides, with the customer if we lost, else ours. Warnings move nothing.';

create function billing.post_dispute()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_from text := case tg_op when 'INSERT' then 'revenue' else billing.who_holds(old.status) end;
    v_to text := billing.who_holds(new.status);
    v_customer uuid := (select p.customer_id from public.payments as p where p.id = new.payment_id);
    v_accounts bigint[];
begin
    if v_from = v_to then
        return null;
    end if;
    v_accounts := array(
        select
            case h.name
                when 'customer' then billing.account_of(v_customer, new.currency)
                else billing.platform_account(h.name, new.currency)
            end
        from unnest(array[v_from, v_to]) with ordinality as h (name, place)
        order by h.place
    );
    perform ledger.post(
        format('dispute:%s:%s', new.id, v_to),
        array[(v_accounts[1], -new.amount, new.currency), (v_accounts[2], new.amount, new.currency)]::ledger.line[]
    );
    return null;
end
$$;
comment on function billing.post_dispute() is 'Posts each movement of the money in question. A dispute never moves back, so each happens once.';

create trigger _300_post
after insert or update of status on public.disputes
for each row
execute function billing.post_dispute();

alter table public.disputes enable always trigger _300_post;
