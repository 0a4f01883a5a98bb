-- Asking Stripe what payloads alone cannot tell. The request is a job; its answer is
-- merged like an event, and drops out if somebody asked later and was answered first.

set lock_timeout = '5s';

insert into jobs.kinds (kind, handler, max_attempts, description) values
('billing.refetch', 'python', 12, 'Fetches an object from Stripe and merges it.');

create function billing.refetch(object text, stripe_id text, delay interval default '0')
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- No unique key: what is being fetched now may be older than what asks for it.
    if stripe_id is not null then
        perform jobs.enqueue(
            'billing.refetch', jsonb_build_object('object', object, 'id', stripe_id), now() + delay
        );
    end if;
end
$$;
comment on function billing.refetch(text, text, interval) is 'Stages the question to Stripe how an object stands.';

create function edge.start_refetch(id bigint, lease bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_ticket bigint := 0;
begin
    if v_job.id is null then
        return null;
    end if;
    if v_job.payload ->> 'object' = 'subscription' then
        update billing.stripe_subscriptions as n
        set ticket = n.ticket + 1
        where n.stripe_id = v_job.payload ->> 'id'
        returning n.ticket into v_ticket;
    elsif v_job.payload ->> 'object' = 'payment_intent' then
        select s.refunded_seen into v_ticket
        from billing.stripe_payments as s
        where s.payment_intent = v_job.payload ->> 'id';
    end if;
    return v_job.payload || jsonb_build_object('ticket', coalesce(v_ticket, 0));
end
$$;
comment on function edge.start_refetch(bigint, bigint) is
'What to fetch, and a ticket that says as of when. Definer because the worker may read neither.';

create function billing.merge_fetched(objects jsonb, ticket bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_object jsonb;
    v_charged bigint;
begin
    -- What others refer to comes first.
    for v_object in
        select o.value
        from jsonb_array_elements(objects) as o (value)
        order by array_position(
            array['checkout.session', 'subscription', 'invoice', 'invoice_payment', 'payment_intent', 'refund', 'charge', 'dispute'],
            o.value ->> 'object'
        )
    loop
        begin
            perform billing.merge(v_object, null, null, ticket);
        exception
            when sqlstate 'JB001' then null; -- its reference is not in the answer either; the event that waits says so
        end;
    end loop;

    -- With an intent came all its refunds: up to what was seen before the question, none is unknown.
    for v_object in
        select o.value from jsonb_array_elements(objects) as o (value) where o.value ->> 'object' = 'payment_intent'
    loop
        v_charged := (
            select max((o.value ->> 'amount_refunded')::bigint)
            from jsonb_array_elements(objects) as o (value)
            where o.value ->> 'object' = 'charge'
        );
        update billing.stripe_payments as s
        set
            refunded_seen = greatest(s.refunded_seen, v_charged),
            refunded_known = greatest(s.refunded_known, least(merge_fetched.ticket, s.refunded_seen), v_charged)
        where s.payment_intent = v_object ->> 'id';
        perform billing.settle_payment((billing.payment_of(v_object)).id);
    end loop;

    if not exists (
        select from jsonb_array_elements(objects) as o (value) where billing.customer_for(o.value) is not null
    ) then
        -- Refunds, disputes and payments of invoices do not say whose they are; now it is known.
        update billing.stripe_events as e
        set status = 'ignored', error = 'of nobody whom we know', waits_for = null, ended_at = now()
        where
            e.status = 'received'
            and e.waits_for in (select o.value ->> 'id' from jsonb_array_elements(objects) as o (value));
    end if;

    for v_object in select o.value from jsonb_array_elements(objects) as o (value) loop
        perform billing.apply_waiting(v_object);
        -- Unless somebody asked later and was answered first, or it has ended since: nothing returns from there.
        if not exists (
            select from billing.stripe_subscriptions as n
            inner join public.subscriptions as s on n.subscription_id = s.id
            where
                n.stripe_id = v_object ->> 'id'
                and (n.applied_ticket > merge_fetched.ticket or s.status = 'canceled')
        ) then
            perform billing.file_difference(v_object);
        end if;
    end loop;
end
$$;
comment on function billing.merge_fetched(jsonb, bigint) is 'Merges what was fetched together, then what waited for it.';

create function edge.finish_refetch(id bigint, lease bigint, ticket bigint, objects jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    if v_job.id is null then
        return;
    end if;
    if v_job.payload ->> 'object' = 'checkout.session' and objects = '[]' then
        -- Nobody can pay what Stripe does not have: else its customer would be sent to it for ever.
        objects := jsonb_build_array(v_job.payload || '{"object": "checkout.session", "status": "expired", "payment_status": "unpaid"}');
    end if;
    perform billing.merge_fetched(objects, ticket);
    perform jobs.finish(id, lease, jsonb_build_object('objects', jsonb_array_length(objects)));
end
$$;
comment on function edge.finish_refetch(bigint, bigint, bigint, jsonb) is
'Merges the answer and ends the job. Definer because the worker may write neither.';
