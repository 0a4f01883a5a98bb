-- Attempts to pay: a row is committed before Stripe is asked for a checkout session, and
-- its id is the idempotency key, so that a crash between the two neither loses a session
-- nor makes a second one.
--
-- What is known of an attempt only grows: it was completed, paid, its debit failed, it
-- expired. Its status is a function of these, so that the order in which they were heard
-- does not matter.

set lock_timeout = '5s';

create function billing.is_checkout(
    kind text, order_id uuid, plan text, price_id uuid, success_url text, cancel_url text
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return
        case kind
            when 'payment' then order_id is not null and plan is null and price_id is null
            when 'subscription' then order_id is null and plan is not null and price_id is not null
            else false
        end
        and char_length(success_url) <= 2100 and char_length(cancel_url) <= 2100;
end
$$;
comment on function billing.is_checkout(text, uuid, text, uuid, text, text) is
'The body of a CHECK: an attempt pays an order or subscribes to a plan at a price, and its URLs are bounded.';

create table billing.checkouts (
    id uuid constraint checkouts_pkey primary key default gen_random_uuid(),
    customer_id uuid not null constraint checkouts_customer_id_fkey references billing.customers (id),
    kind text not null,
    order_id uuid constraint checkouts_order_id_fkey references public.orders (id),
    plan text constraint checkouts_plan_fkey references public.plans (plan),
    price_id uuid constraint checkouts_price_id_fkey references public.prices (id),
    attempt integer not null default 1,
    success_url text not null,
    cancel_url text not null,
    stripe_id text,
    url text,
    expires_at timestamptz,
    stripe_subscription text,
    completed boolean not null default false,
    paid boolean not null default false,
    debit_failed boolean not null default false,
    expired boolean not null default false,
    refused text,
    status text not null generated always as (
        case
            when paid or (completed and kind = 'subscription') then 'complete'
            when debit_failed or refused is not null then 'failed'
            when completed then 'processing'
            when expired then 'expired'
            when stripe_id is not null then 'open'
            else 'staged'
        end
    ) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- One for everything: Postgres parses and plans each CHECK again for each statement.
    constraint of_an_order_or_to_a_plan check (
        billing.is_checkout(kind, order_id, plan, price_id, success_url, cancel_url)
    ),
    constraint one_checkout_per_session unique (stripe_id),
    constraint one_attempt_of_a_number unique (order_id, attempt)
);
comment on table billing.checkouts is 'Each attempt to pay an order or to subscribe, staged before Stripe is asked.';
comment on column billing.checkouts.refused is 'Why Stripe did not even open a session.';
comment on column billing.checkouts.stripe_subscription is 'What the completed session started, known before the subscription itself is heard of.';

create unique index one_open_checkout_per_order on billing.checkouts (order_id)
where kind = 'payment' and status in ('staged', 'open', 'processing');
create unique index one_open_subscription_checkout_per_customer on billing.checkouts (customer_id)
where kind = 'subscription' and status in ('staged', 'open');
create index checkouts_of_a_customer on billing.checkouts (customer_id);
create index checkouts_of_a_plan on billing.checkouts (plan) where plan is not null;
create index checkouts_of_a_price on billing.checkouts (price_id) where price_id is not null;
create index checkouts_of_a_subscription on billing.checkouts (stripe_subscription)
where stripe_subscription is not null;
create index checkouts_under_way on billing.checkouts (created_at) where status in ('staged', 'open');

create function billing.refuse_unlearning()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.fail('invalid_state', 'What is known of a checkout only grows.');
    return null;
end
$$;
comment on function billing.refuse_unlearning() is 'Facts are not taken back: late news cannot undo what was heard before.';

create trigger _100_refuse_unlearning
before update on billing.checkouts
for each row
when (
    (old.completed and not new.completed) or (old.paid and not new.paid)
    or (old.debit_failed and not new.debit_failed) or (old.expired and not new.expired)
    or (old.stripe_id is not null and new.stripe_id is distinct from old.stripe_id)
)
execute function billing.refuse_unlearning();

-- `of`, here and elsewhere: a condition is parsed anew for each statement that might meet it.
create trigger _110_refuse_another_checkout
before update of id, customer_id, kind, order_id, plan, price_id, attempt on billing.checkouts
for each row
when (
    (old.id, old.customer_id, old.kind, old.order_id, old.plan, old.price_id, old.attempt)
    is distinct from (new.id, new.customer_id, new.kind, new.order_id, new.plan, new.price_id, new.attempt)
)
execute function billing.refuse_unlearning();

create trigger _200_touch
before update on billing.checkouts
for each row
execute function core.touch();

create function billing.shown_checkout(checkout billing.checkouts)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'checkout_id', checkout.id, 'kind', checkout.kind, 'status', checkout.status,
        'order_id', checkout.order_id, 'plan', checkout.plan, 'url', case checkout.status when 'open' then checkout.url end,
        'success_url', checkout.success_url, 'cancel_url', checkout.cancel_url,
        'customer', (select billing.shown_customer(c) from billing.customers as c where c.id = checkout.customer_id),
        'lines', case checkout.kind
            when 'payment' then (
                select jsonb_agg(jsonb_build_object(
                    'name', i.name, 'unit_amount', i.unit_amount, 'currency', o.currency, 'quantity', i.quantity,
                    'interval', null
                ) order by i.line)
                from public.order_items as i
                inner join public.orders as o on i.order_id = o.id
                where i.order_id = checkout.order_id
            )
            else (
                select jsonb_build_array(jsonb_build_object(
                    'name', d.name, 'unit_amount', p.unit_amount, 'currency', p.currency, 'quantity', 1,
                    'interval', p.recurring
                ))
                from public.prices as p
                inner join public.products as d on p.product_id = d.id
                where p.id = checkout.price_id
            )
        end
    );
$$;
comment on function billing.shown_checkout(billing.checkouts) is
'All that the edge needs to ask Stripe for the session: from committed rows alone, so that it asks the same again.';
