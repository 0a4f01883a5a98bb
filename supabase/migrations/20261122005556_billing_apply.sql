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

create function billing.lock_customer_of(object jsonb)
returns uuid
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
    return v_customer_id;
end
$$;
comment on function billing.lock_customer_of(jsonb) is
'The customer whom an object is of, locked. Comes before the event''s own row, which is locked after the person or organization like everything else.';

create function billing.merge(
    object jsonb, event_type text, created bigint, ticket bigint, locked_customer uuid default null
)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_customer_id uuid := locked_customer;
    v_checkout_id uuid := billing.our_id(object, 'checkout_id');
begin
    -- First of all the person or organization: one event of a customer at a time, and never in a circle.
    if v_customer_id is null then
        v_customer_id := billing.lock_customer_of(object);
    end if;
    if v_customer_id is null and billing.ref(object -> 'customer') is not null then
        return false; -- customers are known before anything is sold to them
    end if;
    perform from billing.checkouts as c
    inner join billing.customers as u on c.customer_id = u.id
    where c.id = v_checkout_id and (c.customer_id <> v_customer_id or u.stripe_id <> billing.ref(object -> 'customer'));
    if found then
        perform billing.file_discrepancy(
            'another_customers_checkout', object ->> 'id', 'It names a checkout of another customer than its own.',
            'Find out who wrote its metadata at Stripe, and whose money it is.',
            jsonb_build_object('checkout', v_checkout_id, 'customer', v_customer_id)
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
comment on function billing.merge(jsonb, text, bigint, bigint, uuid) is
'Merges an object: of an event of that type and second, or (with a ticket) fetched; of a customer whom the caller has locked, or of whomever it names. False: it is not ours. Raises JB001 if it refers to something that is not here yet.';

create function billing.is_event(
    id text, type text, created bigint, status text, error text, ended_at timestamptz
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    if (
        id !~ '[^!-~]' and octet_length(id) between 1 and 255
        and type !~ '[^!-~]' and octet_length(type) between 1 and 255
        and created between 0 and 253402300799
    ) is not true then
        perform core.valid(id ~ '^[!-~]{1,255}$', 'id', 'the id of an event');
        perform core.valid(type ~ '^[!-~]{1,255}$', 'type', 'the type of an event');
        perform core.valid(created between 0 and 253402300799, 'created', 'seconds since 1970');
    end if;
    return case
        when status in ('applied', 'ignored') then ended_at is not null
        when status = 'received' then ended_at is null
        else status in ('failed', 'dead') and ended_at is null and error is not null
    end and (error is null or char_length(error) <= 2000);
end
$$;
comment on function billing.is_event(text, text, bigint, text, text, timestamptz) is
'The body of a CHECK, typed like core.valid: an event is open until it ends, and a failed one says why.';

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
    -- One for everything: Postgres parses and plans each CHECK again for each statement.
    constraint an_event_that_ends_once check (billing.is_event(id, type, created, status, error, ended_at))
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
before update of id, type, created, received_at on billing.stripe_events
for each row
when (
    (old.id, old.type, old.created, old.received_at)
    is distinct from (new.id, new.type, new.created, new.received_at)
)
execute function core.refuse_change('An event stays what Stripe sent.');
