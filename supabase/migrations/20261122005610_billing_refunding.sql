-- Giving money back: staged with the amount taken from what is left, asked of Stripe by
-- the worker under the id of the row, recorded together with the end of the job.

set lock_timeout = '5s';

insert into jobs.kinds (kind, handler, max_attempts, description) values
('billing.create_refund', 'python', 20, 'Asks Stripe for a refund that was requested.');

create function billing.request_refund(payment_id uuid, amount bigint, reason text, requested_by uuid)
returns public.refunds
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment public.payments;
    v_refund public.refunds;
begin
    perform core.valid(payment_id is not null, 'payment_id', 'given');
    perform core.valid(requested_by is not null, 'requested_by', 'given');
    select p.* into v_payment from public.payments as p where p.id = request_refund.payment_id for no key update;
    if not found then
        perform core.fail('not_found', 'There is no such payment.');
    end if;
    if exists (
        select from public.disputes as d
        where d.payment_id = v_payment.id and billing.who_holds(d.status) <> 'revenue'
    ) then
        perform core.fail('invalid_state', 'The bank took this payment back already.', '{"rule": "not_disputed"}');
    end if;
    if
        request_refund.amount is null and v_payment.status = 'succeeded'
        and v_payment.amount_refunded + v_payment.amount_requested >= v_payment.amount
    then
        perform core.fail('invalid_state', 'Nothing is left of this payment to refund.', '{"left": 0, "rule": "refunds_within_the_captured_amount"}');
    end if;

    insert into public.refunds (payment_id, status, currency, amount, reason, requested_by)
    values (
        v_payment.id, 'requested', v_payment.currency,
        coalesce(request_refund.amount, v_payment.amount - v_payment.amount_refunded - v_payment.amount_requested),
        request_refund.reason, request_refund.requested_by
    )
    returning * into v_refund;
    perform jobs.enqueue('billing.create_refund', jsonb_build_object('refund_id', v_refund.id));
    return v_refund;
end
$$;
comment on function billing.request_refund(uuid, bigint, text, uuid) is
'Stages a refund of so many minor units, or of all that is left. More than is left is refused, however many ask at once.';

create function edge.start_refund(id bigint, lease bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_asked jsonb;
begin
    select jsonb_build_object(
        'refund_id', r.id, 'payment_intent', s.payment_intent, 'amount', r.amount,
        'reason', case when r.reason in ('duplicate', 'fraudulent', 'requested_by_customer') then r.reason end
    ) into v_asked
    from public.refunds as r
    inner join billing.stripe_payments as s on r.payment_id = s.payment_id
    where r.id = (v_job.payload ->> 'refund_id')::uuid and r.status = 'requested';
    if v_asked is not null and v_asked ->> 'payment_intent' is null then
        perform jobs.not_yet('Stripe has not said yet which payment intent paid it', interval '1 minute');
    end if;
    return v_asked;
end
$$;
comment on function edge.start_refund(bigint, bigint) is
'What to ask Stripe for; null if it has been done or the lease is lost. Definer because the worker may not read refunds.';

create function edge.finish_refund(id bigint, lease bigint, refund jsonb, error text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_refund public.refunds;
begin
    if v_job.id is null then
        return;
    end if;
    select r.* into strict v_refund from public.refunds as r where r.id = (v_job.payload ->> 'refund_id')::uuid;
    perform billing.lock_customer(p.customer_id) from public.payments as p where p.id = v_refund.payment_id;
    if refund is not null then
        perform billing.merge_refund(refund);
    else
        update public.refunds as r
        set status = 'failed', failure = left(coalesce(error, 'refused'), 500)
        where r.id = v_refund.id and r.status = 'requested';
        perform billing.file_discrepancy(
            'refund_refused', 'refund:' || v_refund.id, 'Stripe refused a refund that was asked for.',
            'Look at the payment at Stripe.', jsonb_build_object('error', left(error, 500))
        );
    end if;
    perform jobs.finish(id, lease, jsonb_build_object('refund', v_refund.id));
end
$$;
comment on function edge.finish_refund(bigint, bigint, jsonb, text) is
'Records the refund, or that Stripe refused it, and ends the job. Definer because the worker may not write refunds.';
