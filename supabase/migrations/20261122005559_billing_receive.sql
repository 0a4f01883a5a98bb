-- The door: what the edge calls with each event, recorded and applied in one transaction.

set lock_timeout = '5s';

create function billing.require_event(payload jsonb)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    -- One question for what Stripe sends, several only to name what is wrong with it.
    if
        (
            jsonb_typeof(payload) = 'object' and jsonb_typeof(payload -> 'id') = 'string'
            and jsonb_typeof(payload -> 'type') = 'string' and jsonb_typeof(payload #> '{data,object}') = 'object'
            and jsonb_typeof(payload -> 'created') = 'number' and payload ->> 'created' ~ '^[0-9]{1,18}$'
        ) is true
    then
        return;
    end if;
    perform core.valid(payload is not null and jsonb_typeof(payload) = 'object', 'payload', 'an event');
    perform core.valid(coalesce(jsonb_typeof(payload -> 'id') = 'string', false), 'id', 'the id of an event');
    perform core.valid(coalesce(jsonb_typeof(payload -> 'type') = 'string', false), 'type', 'the type of an event');
    perform core.valid(
        coalesce(jsonb_typeof(payload #> '{data,object}') = 'object', false), 'data.object', 'the object of the event'
    );
    perform core.valid(false, 'created', 'seconds since 1970');
end
$$;
comment on function billing.require_event(jsonb) is 'Refuses what is no event, naming what is wrong with it.';

create function edge.receive_stripe_event(payload jsonb)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_object jsonb;
    v_is_handled boolean;
    v_customer_id uuid;
    v_event billing.stripe_events;
    v_status text;
begin
    perform billing.require_event(payload);
    v_object := payload #> '{data,object}';
    v_is_handled := billing.handles(payload ->> 'type');
    if v_is_handled then
        v_customer_id := billing.lock_customer_of(v_object);
    end if;

    -- A twin waits here until the first one commits or gives up.
    insert into billing.stripe_events as e (id, type, created, payload, status, error, ended_at)
    values (
        payload ->> 'id', payload ->> 'type', (payload ->> 'created')::bigint, payload,
        case when v_is_handled then 'applied' else 'ignored' end,
        case when not v_is_handled then 'nothing is done about this type' end,
        now()
    )
    on conflict on constraint stripe_events_pkey do nothing
    returning e.* into v_event;
    if not found then
        return 'duplicate';
    elsif v_event.status = 'ignored' then
        return 'ignored';
    end if;

    v_status := billing.try_event(v_event, locked_customer => v_customer_id);
    if v_status = 'applied' then
        perform billing.apply_waiting(v_object);
    end if;
    return v_status;
end
$$;
comment on function edge.receive_stripe_event(jsonb) is
'Records an event and applies it, in one transaction: applied, duplicate, ignored, waiting or failed. Whichever it says, it is recorded. Definer because the edge may write neither the inbox nor what events change.';
