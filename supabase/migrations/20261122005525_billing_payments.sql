-- Money that came in, or tried to. One row for each payment of an order and each paid
-- invoice of a subscription; what went back of it is a number on it that has a ceiling.

set lock_timeout = '5s';

create function billing.is_payment(
    order_id uuid, subscription_id uuid, user_id uuid, organization_id uuid, status text, currency text,
    amount bigint, amount_requested bigint, paid_at timestamptz, failure_code text, failure_message text
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return
        num_nonnulls(order_id, subscription_id) = 1
        and num_nonnulls(user_id, organization_id) = 1
        and (status = 'succeeded') = (paid_at is not null)
        and currency ~ '^[A-Z]{3}$'
        and amount > 0
        and amount_requested >= 0
        and (failure_code is null or char_length(failure_code) <= 100)
        and (failure_message is null or char_length(failure_message) <= 500);
end
$$;
comment on function billing.is_payment(uuid, uuid, uuid, uuid, text, text, bigint, bigint, timestamptz, text, text) is
'The body of a CHECK: a payment is for one thing, of a person or an organization, and has a date once it succeeded.';

create table public.payments (
    id uuid constraint payments_pkey primary key default gen_random_uuid(),
    customer_id uuid not null constraint payments_customer_id_fkey references billing.customers (id),
    user_id uuid,
    organization_id uuid,
    order_id uuid constraint payments_order_id_fkey references public.orders (id),
    subscription_id uuid constraint payments_subscription_id_fkey references public.subscriptions (id),
    status text not null,
    currency text not null,
    amount bigint not null,
    amount_refunded bigint not null default 0,
    amount_requested bigint not null default 0,
    refund_postings integer not null default 0,
    failure_code text,
    failure_message text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    paid_at timestamptz,
    -- One for everything else: Postgres parses and plans each CHECK again for each statement.
    constraint of_somebody_for_one_thing_and_dated check (billing.is_payment(
        order_id, subscription_id, user_id, organization_id, status, currency,
        amount, amount_requested, paid_at, failure_code, failure_message
    )),
    constraint refunded_within_the_captured_amount check (
        amount_refunded between 0 and case status when 'succeeded' then amount else 0 end
    )
);
comment on table public.payments is
'Money that a customer paid or tried to pay. Whoever pays reads it, of an organization its owners and admins; nobody writes it but the functions of billing.';
comment on column public.payments.user_id is 'Who paid, if it was a person. From the customer, for policies.';
comment on column public.payments.amount_refunded is 'What went back. Never above the captured amount: a CHECK, so also under concurrency.';
comment on column public.payments.amount_requested is 'Refunds that were asked for and that Stripe has not taken yet. Counts against what is left.';
comment on column public.payments.refund_postings is 'How often amount_refunded changed: each change is one transfer in the ledger.';

create index payments_of_a_user on public.payments (user_id, created_at desc);
create index payments_of_an_organization on public.payments (organization_id, created_at desc);
create index payments_of_a_customer on public.payments (customer_id);
create index payments_of_an_order on public.payments (order_id);
create index payments_of_a_subscription on public.payments (subscription_id)
where subscription_id is not null;

create table billing.stripe_payments (
    payment_id uuid constraint stripe_payments_pkey primary key
    constraint stripe_payments_payment_id_fkey references public.payments (id),
    payment_intent text,
    invoice text,
    charge text,
    refunded_seen bigint not null default 0,
    refunded_known bigint not null default 0,
    constraint found_by_something check (num_nonnulls(payment_intent, invoice) > 0),
    constraint one_payment_per_intent unique (payment_intent),
    constraint one_payment_per_invoice unique (invoice),
    constraint one_payment_per_charge unique (charge),
    constraint known_is_seen check (refunded_known <= refunded_seen)
);
comment on table billing.stripe_payments is 'What Stripe calls a payment, and how much it said went back.';
comment on column billing.stripe_payments.refunded_seen is 'The highest amount_refunded of its charge that any event showed. Only grows.';
comment on column billing.stripe_payments.refunded_known is
'Up to which of these amounts all single refunds are known, since they were fetched from Stripe.';

create trigger _050_require_owner
before insert on public.payments
for each row
execute function billing.require_owner_of_customer();

create trigger _100_refuse_another_payment
before update of
id, customer_id, user_id, organization_id, order_id, subscription_id, currency, amount, paid_at
on public.payments
for each row
when (
    (old.id, old.customer_id, old.user_id, old.organization_id)
    is distinct from (new.id, new.customer_id, new.user_id, new.organization_id)
    or (old.order_id, old.subscription_id, old.currency)
    is distinct from (new.order_id, new.subscription_id, new.currency)
    or (old.status = 'succeeded' and (old.amount, old.paid_at) is distinct from (new.amount, new.paid_at))
)
execute function core.refuse_change('What was paid stays as it was paid.');

create trigger _110_refuse_deletion
before delete or truncate on public.payments
for each statement
execute function audit.refuse('Payments are not deleted.');

create trigger _150_begin
before insert on public.payments
for each row
execute function billing.require_transition('payment');

create trigger _150_move
before update of status on public.payments
for each row
when (old.status <> new.status)
execute function billing.require_transition('payment');

create function billing.count_posting()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    new.refund_postings := old.refund_postings + 1;
    return new;
end
$$;
comment on function billing.count_posting() is 'Each change of what went back gets a number, and with it a transfer of its own.';

create trigger _160_count_posting
before update of amount_refunded on public.payments
for each row
when (old.amount_refunded <> new.amount_refunded)
execute function billing.count_posting();

create trigger _200_touch
before update on public.payments
for each row
execute function core.touch();
