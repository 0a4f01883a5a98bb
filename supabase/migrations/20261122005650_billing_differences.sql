-- Where what Stripe says of an object and what we have part ways.

set lock_timeout = '5s';

create function billing.difference_of_payment(object jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    v_payment public.payments := billing.payment_of(object);
    v_checkout billing.checkouts;
begin
    if object ->> 'object' = 'checkout.session' then
        select c.* into v_checkout
        from billing.checkouts as c
        where c.stripe_id = object ->> 'id' or (c.stripe_id is null and c.id = billing.our_id(object, 'checkout_id'));
        return case
            when v_checkout.id is null then null
            when v_checkout.stripe_id is null then 'the session is unknown here'
            when object ->> 'status' = 'complete' and not v_checkout.completed then 'the session is complete'
            when object ->> 'payment_status' = 'paid' and not v_checkout.paid then 'the session is paid'
            when object ->> 'status' = 'expired' and v_checkout.status = 'open' then 'the session has expired'
        end;
    end if;

    if object ->> 'object' = 'charge' then
        return case
            when object -> 'paid' is distinct from 'true' or not coalesce((object ->> 'captured')::boolean, true) then null
            when v_payment.status is distinct from 'succeeded' then 'the charge is no payment here'
            when v_payment.amount <> (object ->> 'amount_captured')::bigint then 'the captured amount is another'
            when v_payment.amount_refunded <> (object ->> 'amount_refunded')::bigint then 'the refunded amount is another'
        end;
    elsif object ->> 'object' = 'refund' then
        return (
            select
                case
                    when r.id is null then 'the refund is unknown here'
                    when r.status <> object ->> 'status' then 'the refund is ' || (object ->> 'status')
                end
            from (values (object ->> 'id')) as o (id)
            left join billing.stripe_refunds as s on o.id = s.stripe_id
            left join public.refunds as r on s.refund_id = r.id
        );
    end if;
    return (
        select
                case
                    when d.id is null then 'the dispute is unknown here'
                    when d.status <> object ->> 'status' then 'the dispute is ' || (object ->> 'status')
                end
        from (values (object ->> 'id')) as o (id)
        left join billing.stripe_disputes as s on o.id = s.stripe_id
        left join public.disputes as d on s.dispute_id = d.id
    );
end
$$;
comment on function billing.difference_of_payment(jsonb) is 'The part of billing.difference about sessions, charges, refunds and disputes.';

create function billing.difference_of_subscription(object jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    v_subscription public.subscriptions;
    v_invoice billing.invoices;
begin
    select s.* into v_subscription
    from public.subscriptions as s
    inner join billing.stripe_subscriptions as n on s.id = n.subscription_id
    where n.stripe_id = billing.subscription_of(object);

    if object ->> 'object' = 'subscription' then
        return case
            when v_subscription.id is null then 'the subscription is unknown here'
            when v_subscription.status <> billing.stripe_status(object) then 'the subscription is ' || (object ->> 'status')
            when v_subscription.status = 'canceled' then null
            when
                v_subscription.cancel_at_period_end <> (
                    (object ->> 'cancel_at_period_end')::boolean or jsonb_typeof(object -> 'cancel_at') = 'number'
                )
                then 'it ends with its period, or does not'
            when v_subscription.current_period_end is distinct from billing.period_of(object, 'end') then 'its period is another'
        end;
    end if;

    if billing.subscription_of(object) is null then
        return null;
    end if;
    select i.* into v_invoice from billing.invoices as i where i.stripe_id = object ->> 'id';
    return case
        when v_invoice.stripe_id is null then case when object ->> 'status' <> 'draft' then 'the invoice is unknown here' end
        when v_invoice.status <> object ->> 'status' then 'the invoice is ' || (object ->> 'status')
        when v_invoice.amount_paid <> (object ->> 'amount_paid')::bigint then 'the paid amount is another'
    end;
end
$$;
comment on function billing.difference_of_subscription(jsonb) is 'The part of billing.difference about subscriptions and their invoices.';

create function billing.difference(object jsonb)
returns text
language sql
stable
set search_path = ''
return case
    when object ->> 'object' in ('checkout.session', 'charge', 'refund', 'dispute')
        then
            case
                when billing.customer_for(object) is not null then billing.difference_of_payment(object)
            end
    when object ->> 'object' in ('subscription', 'invoice') then
        case
            when billing.customer_for(object) is not null then billing.difference_of_subscription(object)
        end
end;
comment on function billing.difference(jsonb) is
'In what our rows differ from an object of Stripe, in words. Null: in nothing, or it is of nobody whom we know.';

create function billing.close_difference(object jsonb)
returns void
language sql
volatile
set search_path = ''
begin atomic
    update billing.discrepancies as d
    set resolved_at = now(), resolution = 'agrees again'
    where d.kind = 'differs_from_stripe' and d.subject = object ->> 'id' and d.resolved_at is null;
end;
comment on function billing.close_difference(jsonb) is 'What agrees again needs nobody any more.';

create function billing.file_difference(object jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_difference text := billing.difference(object);
begin
    if v_difference is not null then
        perform billing.file_discrepancy(
            'differs_from_stripe', object ->> 'id', 'At Stripe ' || v_difference || '.',
            'Compare the object at Stripe with its rows here, and correct at Stripe what is wrong there.'
        );
    else
        perform billing.close_difference(object);
    end if;
end
$$;
comment on function billing.file_difference(jsonb) is
'Files what is still different after a fetched object was merged: no event that is under way can heal it.';
