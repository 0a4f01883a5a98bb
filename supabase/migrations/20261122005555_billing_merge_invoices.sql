-- What Stripe says about the invoices of subscriptions, merged.

set lock_timeout = '5s';

create table billing.invoices (
    stripe_id text constraint invoices_pkey primary key,
    subscription_id uuid not null
    constraint invoices_subscription_id_fkey references public.subscriptions (id),
    status text not null,
    currency text not null,
    amount_due bigint not null,
    amount_paid bigint not null default 0,
    attempts integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint status_is_known check (status in ('draft', 'open', 'uncollectible', 'void', 'paid'))
);
comment on table billing.invoices is 'Each invoice of a subscription: how often Stripe tried to collect it, and whether it was paid.';
comment on column billing.invoices.attempts is 'Only grows.';

create index invoices_of_a_subscription on billing.invoices (subscription_id);

create trigger _200_touch
before update on billing.invoices
for each row
execute function core.touch();

create function billing.invoice_rank(status text)
returns integer
language plpgsql
immutable
set search_path = ''
as $$
begin
    return array_position(array['draft', 'open', 'uncollectible', 'void', 'paid'], status);
end
$$;
comment on function billing.invoice_rank(text) is
'How final a status is. An uncollectible invoice may still be paid or voided; what was paid stays paid.';

create function billing.pay_invoice(invoice jsonb, subscription public.subscriptions)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_payment_id uuid;
begin
    select s.payment_id into v_payment_id from billing.stripe_payments as s where s.invoice = pay_invoice.invoice ->> 'id';
    if not found then
        insert into public.payments (customer_id, subscription_id, status, currency, amount, paid_at)
        values (
            subscription.customer_id, subscription.id, 'succeeded', upper(invoice ->> 'currency'),
            (invoice ->> 'amount_paid')::bigint, now()
        )
        returning id into v_payment_id;
        insert into billing.stripe_payments (payment_id, invoice, payment_intent)
        values (v_payment_id, invoice ->> 'id', billing.intent_of(invoice));
    end if;
    if
        subscription.status = 'canceled'
        and invoice ->> 'billing_reason' is distinct from 'subscription_create' -- canceled in the second that it began
        and billing.moment(invoice #> '{lines,data,0,period,start}') >= subscription.ended_at
    then
        perform billing.file_discrepancy(
            'paid_after_the_end', 'payment:' || v_payment_id, 'A period was paid that began after the subscription had ended.',
            'Refund it.', jsonb_build_object('subscription', subscription.id, 'invoice', invoice ->> 'id')
        );
    end if;
end
$$;
comment on function billing.pay_invoice(jsonb, public.subscriptions) is
'The money of a paid invoice, once. A renewal after the end revives nothing, and somebody has to give it back.';

create function billing.merge_invoice(invoice jsonb)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_stripe_subscription text := billing.subscription_of(invoice);
    v_attempts integer := coalesce((invoice ->> 'attempt_count')::integer, 0);
    v_subscription public.subscriptions;
    v_before billing.invoices;
    v_after billing.invoices;
begin
    if v_stripe_subscription is null then
        return false;
    end if;
    select s.* into v_subscription
    from public.subscriptions as s
    inner join billing.stripe_subscriptions as n on s.id = n.subscription_id
    where n.stripe_id = v_stripe_subscription;
    if not found then
        if billing.customer_for(invoice) is null then
            return false;
        end if;
        perform billing.wait_for(v_stripe_subscription);
    end if;

    select i.* into v_before from billing.invoices as i where i.stripe_id = invoice ->> 'id' for no key update;
    insert into billing.invoices as i (stripe_id, subscription_id, status, currency, amount_due, amount_paid, attempts)
    values (
        invoice ->> 'id', v_subscription.id, invoice ->> 'status', upper(invoice ->> 'currency'),
        (invoice ->> 'amount_due')::bigint, coalesce((invoice ->> 'amount_paid')::bigint, 0), v_attempts
    )
    on conflict on constraint invoices_pkey do update
    set
        status = case
            when billing.invoice_rank(excluded.status) > billing.invoice_rank(i.status) then excluded.status else i.status
        end,
        amount_due = case
            when billing.invoice_rank(excluded.status) >= billing.invoice_rank(i.status) then excluded.amount_due else i.amount_due
        end,
        amount_paid = greatest(i.amount_paid, excluded.amount_paid),
        attempts = greatest(i.attempts, excluded.attempts)
    returning i.* into v_after;

    if v_after.status = 'paid' and v_after.amount_paid > 0 then
        perform billing.pay_invoice(invoice, v_subscription);
    elsif
        v_after.status = 'open' and v_attempts > coalesce(v_before.attempts, 0)
        and invoice ->> 'billing_reason' is distinct from 'subscription_create'
    then
        perform billing.mail_failed_renewal(v_subscription, v_after);
    end if;
    return true;
end
$$;
comment on function billing.merge_invoice(jsonb) is
'What is known of an invoice. False: it is not of a subscription, or of nobody whom we know.';

create function billing.merge_invoice_payment(invoice_payment jsonb)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
    if billing.intent_of(invoice_payment) is null or invoice_payment ->> 'status' is distinct from 'paid' then
        return true;
    end if;
    update billing.stripe_payments as s
    set payment_intent = coalesce(s.payment_intent, billing.intent_of(invoice_payment))
    where s.invoice = billing.ref(invoice_payment -> 'invoice');
    if not found then
        perform billing.wait_for(billing.ref(invoice_payment -> 'invoice'));
    end if;
    return true;
end
$$;
comment on function billing.merge_invoice_payment(jsonb) is
'Which payment intent paid an invoice: invoices do not say it any more, and refunds and disputes know only the intent.';
