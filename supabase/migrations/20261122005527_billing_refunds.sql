-- Money that goes back: what admins ask for, and what Stripe says it did.

set lock_timeout = '5s';

create table public.refunds (
    id uuid constraint refunds_pkey primary key default gen_random_uuid(),
    payment_id uuid not null constraint refunds_payment_id_fkey references public.payments (id),
    user_id uuid,
    organization_id uuid,
    status text not null,
    currency text not null,
    amount bigint not null,
    reason text,
    requested_by uuid,
    failure text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint amount_is_positive check (core.valid(amount > 0, 'amount', 'above zero')),
    constraint currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint reason_is_one_line check (core.valid(
        core.is_one_line(reason, 200), 'reason', 'one line of 1 to 200 characters'
    )),
    constraint requested_by_somebody check (status <> 'requested' or requested_by is not null),
    constraint failure_is_short check (char_length(failure) <= 500)
);
comment on table public.refunds is
'Each refund that we know of. Whoever paid reads it; it is made by admin_refund_payment, or at Stripe.';
comment on column public.refunds.requested_by is 'The admin. Null for refunds that were made at Stripe.';

create index refunds_of_a_payment on public.refunds (payment_id);
create index refunds_of_a_user on public.refunds (user_id);
create index refunds_of_an_organization on public.refunds (organization_id);

create table billing.stripe_refunds (
    refund_id uuid constraint stripe_refunds_pkey primary key
    constraint stripe_refunds_refund_id_fkey references public.refunds (id),
    stripe_id text not null,
    constraint one_refund_per_stripe_id unique (stripe_id)
);
comment on table billing.stripe_refunds is 'What Stripe calls a refund.';

create function billing.require_what_is_left()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments;
begin
    -- Everybody who wants some of this payment back queues here.
    select p.* into v_payment from public.payments as p where p.id = new.payment_id for no key update;
    new.user_id := v_payment.user_id;
    new.organization_id := v_payment.organization_id;
    new.currency := v_payment.currency;
    if v_payment.status <> 'succeeded' then
        perform core.fail(
            'invalid_state', 'Only what was paid can be refunded.', jsonb_build_object('status', v_payment.status)
        );
    end if;
    if new.status <> 'requested' then
        return new;
    end if;
    if new.amount > v_payment.amount - v_payment.amount_refunded - v_payment.amount_requested then
        perform core.fail(
            'invalid_state', 'That is more than is left of the payment.',
            jsonb_build_object(
                'rule', 'refunds_within_the_captured_amount', 'amount', new.amount,
                'left', v_payment.amount - v_payment.amount_refunded - v_payment.amount_requested
            )
        );
    end if;
    return new;
end
$$;
comment on function billing.require_what_is_left() is
'Whoever asks for a refund, however many at once: together never more than was captured. What Stripe did is believed; there the CHECK on payments has the last word.';

create trigger _050_require_what_is_left
before insert on public.refunds
for each row
execute function billing.require_what_is_left();

create trigger _100_refuse_another_refund
before update on public.refunds
for each row
when (
    (old.id, old.payment_id, old.user_id, old.organization_id, old.created_at)
    is distinct from (new.id, new.payment_id, new.user_id, new.organization_id, new.created_at)
    or (old.currency, old.amount, old.requested_by) is distinct from (
        new.currency, new.amount, new.requested_by
    )
)
execute function core.refuse_change('A refund stays what was asked for.');

create trigger _110_refuse_deletion
before delete or truncate on public.refunds
for each statement
execute function audit.refuse('Refunds are not deleted.');

create trigger _150_begin
before insert on public.refunds
for each row
execute function billing.require_transition('refund');

create trigger _150_move
before update of status on public.refunds
for each row
when (old.status <> new.status)
execute function billing.require_transition('refund');

create trigger _200_touch
before update on public.refunds
for each row
execute function core.touch();

create function billing.settle_payment(payment_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_seen billing.stripe_payments;
    v_made bigint;
    v_failed bigint;
    v_requested bigint;
    v_net bigint;
begin
    perform from public.payments as p where p.id = settle_payment.payment_id for no key update;
    select s.* into v_seen from billing.stripe_payments as s where s.payment_id = settle_payment.payment_id;
    select
        coalesce(sum(r.amount) filter (where r.status in ('pending', 'requires_action', 'succeeded')), 0),
        coalesce(sum(r.amount) filter (where r.status in ('failed', 'canceled') and s.refund_id is not null), 0),
        coalesce(sum(r.amount) filter (where r.status = 'requested'), 0)
    into v_made, v_failed, v_requested
    from public.refunds as r
    left join billing.stripe_refunds as s on r.id = s.refund_id
    where r.payment_id = settle_payment.payment_id;

    -- The charge may tell of refunds that have not been heard of one by one. If one of them
    -- failed, what it told may have been before that: the lesser amount is certain, and
    -- Stripe is asked.
    v_net := v_made;
    if v_seen.refunded_seen > v_seen.refunded_known then
        v_net := greatest(v_made, v_seen.refunded_seen - v_failed);
    end if;

    update public.payments as p
    set amount_refunded = v_net, amount_requested = v_requested
    where
        p.id = settle_payment.payment_id and p.status = 'succeeded'
        and (p.amount_refunded, p.amount_requested) <> (v_net, v_requested);

    if v_seen.refunded_seen > greatest(v_seen.refunded_known, v_made) then
        perform billing.refetch('payment_intent', v_seen.payment_intent);
    end if;
end
$$;
comment on function billing.settle_payment(uuid) is
'What went back of a payment, from everything that was heard of it in whatever order: a function of what is known, so that it cannot drift.';

create function billing.settle_payment_of_refund()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.settle_payment(new.payment_id);
    return null;
end
$$;
comment on function billing.settle_payment_of_refund() is 'A payment follows its refunds in the same statement.';

create trigger _300_settle_payment
after insert or update of status on public.refunds
for each row
execute function billing.settle_payment_of_refund();
