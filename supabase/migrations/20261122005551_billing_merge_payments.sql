-- What Stripe says about one-time payments, merged: each function may be given any state
-- of its object, any number of times and in any order, and ends where the newest would.

set lock_timeout = '5s';

create function billing.record_payment(
    checkout billing.checkouts,
    intent text,
    status text,
    currency text,
    amount bigint,
    failure jsonb default null
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments;
begin
    select p.* into v_payment
    from public.payments as p
    inner join billing.stripe_payments as s on p.id = s.payment_id
    where s.payment_intent = intent;
    if found then
        -- A status that it cannot move to is older news.
        if billing.step('payment', v_payment.status, record_payment.status) <> v_payment.status then
            update public.payments as p
            set
                status = record_payment.status, amount = record_payment.amount,
                paid_at = case record_payment.status when 'succeeded' then now() end,
                failure_code = left(failure ->> 'code', 100), failure_message = left(failure ->> 'message', 500)
            where p.id = v_payment.id
            returning p.* into v_payment;
            if v_payment.status = 'succeeded' then
                perform billing.require_exact_payment(v_payment);
            end if;
        end if;
        return v_payment.id;
    end if;

    insert into public.payments (
        customer_id, order_id, status, currency, amount, paid_at, failure_code, failure_message
    )
    values (
        checkout.customer_id, checkout.order_id, record_payment.status, upper(record_payment.currency),
        record_payment.amount, case record_payment.status when 'succeeded' then now() end,
        left(failure ->> 'code', 100), left(failure ->> 'message', 500)
    )
    returning * into v_payment;
    insert into billing.stripe_payments (payment_id, payment_intent) values (v_payment.id, intent);
    if v_payment.status = 'succeeded' then
        perform billing.require_exact_payment(v_payment);
    end if;
    return v_payment.id;
end
$$;
comment on function billing.record_payment(billing.checkouts, text, text, text, bigint, jsonb) is
'A payment of an order as far as it got, once per payment intent.';

create function billing.require_exact_payment(payment public.payments)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_order public.orders;
begin
    perform from public.orders as o
    where
        o.id = payment.order_id and o.total = payment.amount and o.currency = payment.currency
        and not exists (
            select from public.payments as p
            where p.order_id = payment.order_id and p.id <> payment.id and p.status = 'succeeded'
        );
    if found then
        return;
    end if;

    select o.* into strict v_order from public.orders as o where o.id = payment.order_id;
    if (payment.amount, payment.currency) is distinct from (v_order.total, v_order.currency) then
        perform billing.file_discrepancy(
            'amount_mismatch', 'payment:' || payment.id, 'The payment is not what the order costs.',
            'Refund it at Stripe, or settle the difference with the customer.',
            jsonb_build_object('order', v_order.id, 'paid', payment.amount, 'total', v_order.total)
        );
    else
        perform billing.file_discrepancy(
            'order_paid_twice', 'payment:' || payment.id, 'The order was paid by another payment already.',
            'Refund this payment.', jsonb_build_object('order', v_order.id)
        );
    end if;
end
$$;
comment on function billing.require_exact_payment(public.payments) is
'Money that arrived is money, whatever the order says: it is recorded, and what does not fit is filed for a decision.';

create function billing.merge_session(session jsonb, event_type text default null)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_paid boolean := session ->> 'payment_status' in ('paid', 'no_payment_required');
    v_intent text := billing.intent_of(session);
    v_id uuid;
    v_checkout billing.checkouts;
begin
    select c.id into v_id from billing.checkouts as c where c.stripe_id = session ->> 'id';
    if not found then
        v_id := billing.our_id(session, 'checkout_id'); -- nobody has told us yet what Stripe calls it
    end if;
    update billing.checkouts as c
    set
        stripe_id = coalesce(c.stripe_id, session ->> 'id'),
        url = coalesce(session ->> 'url', c.url),
        expires_at = coalesce(billing.moment(session -> 'expires_at'), c.expires_at),
        completed = c.completed or session ->> 'status' = 'complete',
        paid = c.paid or v_paid or event_type is not distinct from 'checkout.session.async_payment_succeeded',
        debit_failed = c.debit_failed or event_type is not distinct from 'checkout.session.async_payment_failed',
        expired = c.expired or session ->> 'status' = 'expired',
        stripe_subscription = coalesce(c.stripe_subscription, billing.subscription_of(session))
    where c.id = v_id and (c.stripe_id is null or c.stripe_id = session ->> 'id')
    returning c.* into v_checkout;
    if not found then
        return false;
    end if;

    if v_checkout.kind = 'subscription' then
        if
            v_checkout.stripe_subscription is not null
            and not exists (
                select from billing.stripe_subscriptions as s where s.stripe_id = v_checkout.stripe_subscription
            )
        then
            perform billing.refetch('subscription', v_checkout.stripe_subscription, interval '5 seconds');
        end if;
        return true;
    end if;

    -- Not v_checkout.completed: a session seen while it was open knows no intent, which an event may have told meanwhile.
    if session ->> 'status' = 'complete' and v_intent is not null then
        perform billing.record_payment(
            v_checkout, v_intent,
            case when v_checkout.paid then 'succeeded' when v_checkout.debit_failed then 'failed' else 'processing' end,
            session ->> 'currency', (session ->> 'amount_total')::bigint
        );
    elsif session ->> 'status' = 'complete' then
        perform billing.file_discrepancy(
            'nothing_paid', 'order:' || v_checkout.order_id, 'Stripe ended the session without any payment.',
            'Find out which discount made it free, and settle the order by hand.',
            jsonb_build_object('session', session ->> 'id')
        );
    end if;
    if not (v_checkout.completed and v_checkout.paid) then -- else its payment did, when it succeeded
        perform billing.settle_order(v_checkout.order_id);
    end if;
    return true;
end
$$;
comment on function billing.merge_session(jsonb, text) is
'What is known of a checkout session. False: it is none of ours.';

create function billing.merge_intent(intent jsonb, authoritative boolean default false)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments := billing.payment_of(intent);
    v_checkout billing.checkouts;
    v_failed boolean :=
        intent ->> 'status' in ('requires_payment_method', 'canceled')
        and jsonb_typeof(intent -> 'last_payment_error') = 'object';
begin
    select c.* into v_checkout from billing.checkouts as c where c.id = billing.our_id(intent, 'checkout_id');
    if not found then
        -- Of a subscription, whose invoice tells, or made by hand: what is ours says which checkout it is of.
        if v_payment.order_id is null then
            return true;
        end if;
        select c.* into v_checkout
        from billing.checkouts as c
        where c.order_id = v_payment.order_id
        order by c.attempt desc
        limit 1;
        if not found then
            return true;
        end if;
    end if;
    if v_checkout.kind <> 'payment' then
        return true;
    end if;

    if intent ->> 'status' = 'succeeded' then
        if not (v_checkout.completed and v_checkout.paid) then
            update billing.checkouts as c set completed = true, paid = true where c.id = v_checkout.id;
        end if;
        perform billing.record_payment(
            v_checkout, intent ->> 'id', 'succeeded', intent ->> 'currency',
            coalesce(nullif((intent ->> 'amount_received')::bigint, 0), (intent ->> 'amount')::bigint)
        );
        return true;
    elsif v_failed and authoritative and v_checkout.completed and not v_checkout.paid then
        update billing.checkouts as c set debit_failed = true where c.id = v_checkout.id;
        perform billing.record_payment(
            v_checkout, intent ->> 'id', 'failed', intent ->> 'currency', (intent ->> 'amount')::bigint,
            intent -> 'last_payment_error'
        );
    elsif v_failed and not v_checkout.completed then
        -- Once the session is complete, only the session says that its debit failed: this may be an earlier attempt's.
        perform billing.record_payment(
            v_checkout, intent ->> 'id', 'failed', intent ->> 'currency', (intent ->> 'amount')::bigint,
            intent -> 'last_payment_error'
        );
        perform billing.decline_order(v_checkout);
    end if;
    perform billing.settle_order(v_checkout.order_id);
    return true;
end
$$;
comment on function billing.merge_intent(jsonb, boolean) is
'What is known of a payment intent. authoritative: it was fetched just now, and is no older news.';

create function billing.decline_order(checkout billing.checkouts)
returns void
language sql
volatile
set search_path = ''
begin atomic
    update public.orders as o
    set status = 'failed'
    where
        o.id = checkout.order_id and o.status = 'pending'
        and not exists (
            select from billing.checkouts as c
            where c.order_id = checkout.order_id and c.attempt > checkout.attempt
        );
end;
comment on function billing.decline_order(billing.checkouts) is
'The card was declined: the order failed for now, unless the customer is at another attempt already.';
