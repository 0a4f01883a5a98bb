-- What Stripe says about money that went back, merged.

set lock_timeout = '5s';

create function billing.merge_charge(charge jsonb)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments := billing.payment_of(charge);
    v_checkout billing.checkouts;
    v_captured boolean := charge -> 'paid' = 'true' and coalesce((charge ->> 'captured')::boolean, true);
begin
    -- A captured charge proves the payment, even if nothing else was heard of it yet.
    if v_captured and (v_payment.id is null or v_payment.order_id is not null) and v_payment.status is distinct from 'succeeded' then
        select c.* into v_checkout
        from billing.checkouts as c
        where
            c.id = billing.our_id(charge, 'checkout_id')
            or (v_payment.id is not null and c.order_id = v_payment.order_id)
        order by c.id = billing.our_id(charge, 'checkout_id') desc nulls last, c.attempt desc
        limit 1;
        if v_checkout.kind = 'payment' then
            update billing.checkouts as c
            set completed = true, paid = true
            where c.id = v_checkout.id and not (c.completed and c.paid);
            perform billing.record_payment(
                v_checkout, billing.intent_of(charge), 'succeeded', charge ->> 'currency',
                coalesce((charge ->> 'amount_captured')::bigint, (charge ->> 'amount')::bigint)
            );
            v_payment := billing.payment_of(charge);
        end if;
    end if;
    if v_payment.status is distinct from 'succeeded' then
        perform billing.wait_for(coalesce(billing.intent_of(charge), charge ->> 'id'));
    end if;

    update billing.stripe_payments as s
    set
        charge = coalesce(s.charge, merge_charge.charge ->> 'id'),
        refunded_seen = greatest(s.refunded_seen, coalesce((merge_charge.charge ->> 'amount_refunded')::bigint, 0))
    where s.payment_id = v_payment.id;
    perform billing.settle_payment(v_payment.id);
    return true;
end
$$;
comment on function billing.merge_charge(jsonb) is
'What is known of a charge: that it was captured, and how much went back so far, which only grows.';

create function billing.is_other_currency(object jsonb, payment public.payments)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
    if coalesce(upper(object ->> 'currency') = payment.currency, true) then
        return false;
    end if;
    perform billing.file_discrepancy(
        'other_currency', object ->> 'id', 'Its amount is in another currency than the payment.',
        'Book what it moved by hand, by the balance transactions that Stripe shows for it.',
        jsonb_build_object('payment', payment.id, 'amount', object -> 'amount', 'currency', object -> 'currency')
    );
    return true;
end
$$;
comment on function billing.is_other_currency(jsonb, public.payments) is
'Whether an amount cannot be compared with its payment; then it is filed for a decision. Cents of one currency are none of another.';

create function billing.merge_refund(refund jsonb)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments := billing.payment_of(refund);
    v_refund public.refunds;
    v_status text := coalesce(refund ->> 'status', 'pending');
    v_is_new boolean := false;
begin
    if v_payment.status is distinct from 'succeeded' then
        perform billing.wait_for(coalesce(billing.intent_of(refund), billing.charge_of(refund)));
    end if;

    if billing.is_other_currency(refund, v_payment) then
        return true;
    end if;

    -- Known by Stripe's id, or still ours alone: two questions, for with `or` all refunds would be read.
    select r.* into v_refund
    from billing.stripe_refunds as s
    inner join public.refunds as r on s.refund_id = r.id
    where s.stripe_id = refund ->> 'id';
    if not found then
        select r.* into v_refund
        from public.refunds as r
        where
            r.id = billing.our_id(refund, 'refund_id') and r.payment_id = v_payment.id
            and r.amount = (refund ->> 'amount')::bigint
            and not exists (select from billing.stripe_refunds as s where s.refund_id = r.id);
    end if;
    if not found then
        insert into public.refunds (payment_id, status, amount, currency, reason, failure)
        values (
            v_payment.id, v_status, (refund ->> 'amount')::bigint, v_payment.currency,
            nullif(refund ->> 'reason', ''), left(refund ->> 'failure_reason', 500)
        )
        returning * into v_refund;
        v_is_new := true;
    end if;
    insert into billing.stripe_refunds (refund_id, stripe_id)
    values (v_refund.id, refund ->> 'id')
    on conflict do nothing;

    update public.refunds as r
    set status = v_status, failure = coalesce(left(refund ->> 'failure_reason', 500), r.failure)
    where r.id = v_refund.id and billing.step('refund', r.status, v_status) <> r.status;
    if v_status = 'failed' and (found or v_is_new) then
        perform billing.file_discrepancy(
            'refund_failed', 'refund:' || v_refund.id, 'The bank sent a refund back: the customer did not get it.',
            'Give the money back in another way, or refund again.',
            jsonb_build_object('payment', v_payment.id, 'amount', v_refund.amount)
        );
    end if;
    perform billing.settle_payment(v_payment.id);
    return true;
end
$$;
comment on function billing.merge_refund(jsonb) is
'What is known of one refund. Refunds that failed stay failed, whatever is heard afterwards.';

create function billing.merge_dispute(dispute jsonb)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments := billing.payment_of(dispute);
    v_dispute_id uuid;
begin
    if v_payment.status is distinct from 'succeeded' then
        perform billing.wait_for(coalesce(billing.intent_of(dispute), billing.charge_of(dispute)));
    end if;

    if billing.is_other_currency(dispute, v_payment) then
        return true;
    end if;

    select s.dispute_id into v_dispute_id from billing.stripe_disputes as s where s.stripe_id = dispute ->> 'id';
    if not found then
        insert into public.disputes (payment_id, status, amount, currency, reason, evidence_due_by)
        values (
            v_payment.id, dispute ->> 'status', (dispute ->> 'amount')::bigint, v_payment.currency,
            left(dispute ->> 'reason', 100), billing.moment(dispute #> '{evidence_details,due_by}')
        )
        returning id into v_dispute_id;
        insert into billing.stripe_disputes (dispute_id, stripe_id) values (v_dispute_id, dispute ->> 'id');
        return true;
    end if;
    update public.disputes as d
    set status = dispute ->> 'status'
    where d.id = v_dispute_id and billing.step('dispute', d.status, dispute ->> 'status') <> d.status;
    return true;
end
$$;
comment on function billing.merge_dispute(jsonb) is 'What is known of a dispute. It moves towards its decision and stays there.';
