-- The inbox: recorded and applied in one commit. If applying fails, its work is taken
-- back, the record stays with the error, and a job tries again.

set lock_timeout = '5s';

insert into jobs.kinds (kind, handler, sql_function, description) values
(
    'billing.apply_stripe_event', 'sql', 'billing.apply_again',
    'Tries an event again that could not be applied, or waits for something.'
);

create function billing.try_event(
    event billing.stripe_events, is_staged boolean default false, locked_customer uuid default null
)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_ours boolean;
    v_reason text;
    v_waits_for text;
begin
    v_ours := billing.merge(event.payload #> '{data,object}', event.type, event.created, null, locked_customer);
    if not v_ours then
        update billing.stripe_events as e
        set status = 'ignored', error = 'of nobody whom we know', waits_for = null, ended_at = now()
        where e.id = event.id;
        return 'ignored';
    end if;
    if event.status <> 'applied' then
        update billing.stripe_events as e
        set status = 'applied', error = null, waits_for = null, ended_at = now()
        where e.id = event.id;
    end if;
    return 'applied';
exception
    when sqlstate 'JB001' then
        get stacked diagnostics v_reason = message_text, v_waits_for = pg_exception_hint;
        return billing.keep_event(event, 'received', v_reason, v_waits_for, is_staged);
    when others then
        get stacked diagnostics v_reason = message_text, v_waits_for = pg_exception_hint;
        return billing.keep_event(
            event, 'failed', concat_ws(' ', sqlstate || ':', v_reason, nullif(v_waits_for, '')), null, is_staged
        );
end
$$;
comment on function billing.try_event(billing.stripe_events, boolean, uuid) is
'Applies a recorded event, of a customer whom the caller has locked or of whomever it names, and says what became of it. is_staged: another try is in the queue already, and stays the only one.';

create function billing.keep_event(
    event billing.stripe_events, status text, reason text, waits_for text, is_staged boolean
)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_tries integer := case when event.status = 'applied' then 1 when is_staged then event.attempts else event.attempts + 1 end;
    v_dead boolean := case keep_event.status
        when 'failed' then v_tries >= 12 else event.received_at < now() - interval '3 days'
    end;
begin
    update billing.stripe_events as e
    set
        status = case when v_dead then 'dead' else keep_event.status end, attempts = v_tries,
        error = left(reason, 2000), waits_for = nullif(keep_event.waits_for, ''), ended_at = null
    where e.id = event.id;
    if v_dead then
        return 'dead';
    elsif is_staged then
        return case keep_event.status when 'received' then 'waiting' else 'failed' end;
    end if;
    perform jobs.enqueue(
        'billing.apply_stripe_event', jsonb_build_object('event_id', event.id),
        now() + least(interval '5 seconds' * power(2, least(v_tries, 20) - 1), interval '1 hour') * (0.8 + 0.4 * random())
    );
    -- Stripe knows what we have not heard of; some of it comes into being a little later.
    if v_tries in (2, 5, 8) and keep_event.waits_for ~ '^(pi|ch|sub|in)_' then
        perform billing.refetch(
            case split_part(keep_event.waits_for, '_', 1)
                when 'pi' then 'payment_intent' when 'ch' then 'charge' when 'sub' then 'subscription' else 'invoice'
            end,
            keep_event.waits_for
        );
    end if;
    return case keep_event.status when 'received' then 'waiting' else 'failed' end;
end
$$;
comment on function billing.keep_event(billing.stripe_events, text, text, text, boolean) is
'Keeps an event that could not be applied and stages another try, later each time; after twelve failures, or three days of waiting, an admin decides.';

create function billing.apply_waiting(object jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_known text[];
    v_event billing.stripe_events;
begin
    -- Mostly nothing waits at all, which is sooner asked than what it might wait for.
    perform from billing.stripe_events as e where e.status = 'received' limit 1;
    if not found then
        return;
    end if;
    v_known := array_remove(array[
        object ->> 'id', billing.intent_of(object), billing.charge_of(object), billing.subscription_of(object),
        billing.ref(object -> 'invoice')
    ], null);
    for v_event in
        select e.* from billing.stripe_events as e
        where e.status = 'received' and e.waits_for = any (v_known)
        order by e.created, e.id
        limit 100
        for no key update skip locked
    loop
        perform billing.try_event(v_event, is_staged => true);
    end loop;
end
$$;
comment on function billing.apply_waiting(jsonb) is 'What waited for this object, or for what it names, is applied with it.';

create function billing.apply_again(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_event billing.stripe_events;
    v_status text;
begin
    perform billing.lock_customer_of(e.payload #> '{data,object}')
    from billing.stripe_events as e
    where e.id = apply_again.payload ->> 'event_id';
    select e.* into v_event from billing.stripe_events as e where e.id = apply_again.payload ->> 'event_id' for no key update;
    if v_event.status is null or v_event.status not in ('received', 'failed') then
        return jsonb_build_object('status', coalesce(v_event.status, 'gone'));
    end if;
    v_status := billing.try_event(v_event);
    if v_status = 'applied' then
        perform billing.apply_waiting(v_event.payload #> '{data,object}');
    end if;
    return jsonb_build_object('status', v_status);
end
$$;
comment on function billing.apply_again(jsonb) is 'One more try for an event of the inbox, unless it ended meanwhile.';

create function billing.replay(event_id text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_event billing.stripe_events;
    v_status text;
begin
    perform billing.lock_customer_of(e.payload #> '{data,object}') from billing.stripe_events as e where e.id = event_id;
    select e.* into v_event from billing.stripe_events as e where e.id = event_id for no key update;
    if not found then
        perform core.fail('not_found', 'There is no such event.', jsonb_build_object('event', event_id));
    elsif not billing.handles(v_event.type) then
        return 'ignored';
    end if;
    v_status := billing.try_event(v_event);
    if v_status = 'applied' then
        perform billing.apply_waiting(v_event.payload #> '{data,object}');
    end if;
    return v_status;
end
$$;
comment on function billing.replay(text) is
'For DBAs: applies an event of the inbox now, whatever its status. What was applied before changes nothing.';
