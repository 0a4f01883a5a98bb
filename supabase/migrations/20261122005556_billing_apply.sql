-- From an object of Stripe to the function that merges it.

set lock_timeout = '5s';

create function billing.handles(type text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
    return type = any (array[
        'checkout.session.completed', 'checkout.session.async_payment_succeeded',
        'checkout.session.async_payment_failed', 'checkout.session.expired',
        'payment_intent.succeeded', 'payment_intent.payment_failed',
        'charge.refunded', 'refund.created', 'refund.updated', 'refund.failed', 'charge.refund.updated',
        'charge.dispute.created', 'charge.dispute.updated', 'charge.dispute.closed',
        'charge.dispute.funds_withdrawn', 'charge.dispute.funds_reinstated',
        'customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted',
        'customer.subscription.paused', 'customer.subscription.resumed', 'customer.subscription.trial_will_end',
        'invoice.paid', 'invoice.payment_succeeded', 'invoice.payment_failed', 'invoice.finalized',
        'invoice.voided', 'invoice.marked_uncollectible', 'invoice_payment.paid'
    ]);
end
$$;
comment on function billing.handles(text) is 'Whether anything is done about events of a type. All others are recorded as ignored.';

create function billing.merge(object jsonb, event_type text, created bigint, ticket bigint)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_customer_id uuid := billing.customer_for(object);
begin
    -- First of all the person or organization: one event of a customer at a time, and never in a circle.
    if v_customer_id is not null then
        perform billing.lock_customer(v_customer_id);
    elsif billing.ref(object -> 'customer') is not null then
        return false; -- customers are known before anything is sold to them
    end if;
    if exists (
        select from billing.checkouts as c
        inner join billing.customers as u on c.customer_id = u.id
        where
            c.id = billing.our_id(object, 'checkout_id')
            and (c.customer_id <> v_customer_id or u.stripe_id <> billing.ref(object -> 'customer'))
    ) then
        perform billing.file_discrepancy(
            'another_customers_checkout', object ->> 'id', 'It names a checkout of another customer than its own.',
            'Find out who wrote its metadata at Stripe, and whose money it is.',
            jsonb_build_object('checkout', billing.our_id(object, 'checkout_id'), 'customer', v_customer_id)
        );
        return false;
    end if;

    return case object ->> 'object'
        when 'checkout.session' then billing.merge_session(object, event_type)
        when 'payment_intent' then billing.merge_intent(object, ticket is not null)
        when 'charge' then billing.merge_charge(object)
        when 'refund' then billing.merge_refund(object)
        when 'dispute' then billing.merge_dispute(object)
        when 'subscription' then
            billing.merge_subscription(object, created, ticket)
            and billing.warn_of_trial_end(object, event_type)
        when 'invoice' then billing.merge_invoice(object)
        when 'invoice_payment' then billing.merge_invoice_payment(object)
        else false
    end;
end
$$;
comment on function billing.merge(jsonb, text, bigint, bigint) is
'Merges an object: of an event of that type and second, or (with a ticket) fetched. False: it is not ours. Raises JB001 if it refers to something that is not here yet.';

create function billing.lock_customer_of(object jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_customer_id uuid := billing.customer_for(object);
begin
    if v_customer_id is not null then
        perform billing.lock_customer(v_customer_id);
    end if;
end
$$;
comment on function billing.lock_customer_of(jsonb) is
'Comes before the event''s own row, which is locked after the person or organization like everything else.';

create table billing.stripe_events (
    id text constraint stripe_events_pkey primary key,
    type text not null,
    created bigint not null,
    payload jsonb not null,
    status text not null,
    attempts integer not null default 1,
    waits_for text,
    error text,
    received_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    ended_by uuid,
    constraint id_is_one_line check (core.valid(id ~ '^[!-~]{1,255}$', 'id', 'the id of an event')),
    constraint type_is_one_line check (core.valid(type ~ '^[!-~]{1,255}$', 'type', 'the type of an event')),
    constraint created_is_a_time check (core.valid(
        created between 0 and 253402300799, 'created', 'seconds since 1970'
    )),
    constraint status_is_known check (status in ('received', 'applied', 'ignored', 'failed', 'dead')),
    constraint open_until_it_ends check ((status in ('applied', 'ignored')) = (ended_at is not null)),
    constraint failure_says_why check (status not in ('failed', 'dead') or error is not null),
    constraint error_is_bounded check (char_length(error) <= 2000)
);
comment on table billing.stripe_events is
'Every event that Stripe delivered, once, with what became of it. An event is here if and only if Stripe was told that it arrived.';
comment on column billing.stripe_events.status is
'applied; ignored: of no concern, or dismissed by an admin; received: waits for what it refers to; failed: tried again; dead: waits for an admin.';
comment on column billing.stripe_events.waits_for is 'What it refers to and what was not here yet: applied as soon as that arrives.';
comment on column billing.stripe_events.error is 'Why it is not applied, or why it is ignored.';

create index stripe_events_waiting on billing.stripe_events (waits_for) where status = 'received';
create index stripe_events_undone on billing.stripe_events (received_at)
where status in ('received', 'failed', 'dead');
create index stripe_events_by_age on billing.stripe_events (received_at);

create trigger _100_refuse_another_event
before update on billing.stripe_events
for each row
when (
    (old.id, old.type, old.created, old.received_at)
    is distinct from (new.id, new.type, new.created, new.received_at)
)
execute function core.refuse_change('An event stays what Stripe sent.');
