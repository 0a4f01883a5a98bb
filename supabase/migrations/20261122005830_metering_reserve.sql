-- Taking room before the work.

set lock_timeout = '5s';

create function metering.reserved(
    user_id uuid,
    action text,
    amount bigint,
    cost_micros bigint,
    expires_in interval,
    idempotency_key text
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_first metering.reservations;
begin
    select r.* into v_first
    from metering.reservations as r
    where r.user_id = reserved.user_id and r.idempotency_key = reserved.idempotency_key;
    if found and (v_first.action, v_first.amount, v_first.cost_micros, v_first.expires_at - v_first.created_at)
    is distinct from (action, amount, cost_micros, expires_in)
    then
        perform core.fail(
            'conflict', 'This idempotency key was used for another reservation. Use a new key.',
            jsonb_build_object('idempotency_key', idempotency_key)
        );
    end if;
    return v_first.id;
end
$$;
comment on function metering.reserved(uuid, text, bigint, bigint, interval, text) is
'The first reservation of this key, whatever became of it; null if there is none. Another payload is a conflict.';

create function metering.reserve(
    user_id uuid,
    action text,
    amount bigint,
    cost_micros bigint,
    expires_in interval,
    idempotency_key text
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_month date := metering.month_of(now());
    v_now timestamptz := clock_timestamp();
    v_limits metering.limits;
    v_used public.usage;
    v_id uuid;
begin
    perform core.valid(amount is not null, 'amount', 'given');
    perform core.valid(amount between 1 and 1000000, 'amount', 'from 1 to 1000000');
    perform core.valid(cost_micros is not null, 'cost_micros', 'given');
    perform core.valid(cost_micros between 0 and 1000000000000, 'cost_micros', 'from 0 to 1000000000000');
    perform core.valid(expires_in is not null, 'expires_in', 'given');
    perform core.valid(
        expires_in between interval '1 second' and interval '1 hour', 'expires_in', 'from 1 second to 1 hour'
    );
    v_limits := metering.limits_of(user_id, action);

    if idempotency_key is not null then
        v_id := metering.reserved(user_id, action, amount, cost_micros, expires_in, idempotency_key);
        if v_id is not null then
            return v_id;
        end if;
    end if;

    v_used := metering.occupy(v_limits, v_month, 0, amount, cost_micros);
    if v_used.user_id is not null then
        insert into metering.reservations
        (user_id, action, month, amount, cost_micros, created_at, expires_at, idempotency_key)
        values
        (user_id, action, v_month, amount, cost_micros, v_now, v_now + expires_in, idempotency_key)
        on conflict on constraint key_names_one_reservation do nothing
        returning id into v_id;
        if found then
            perform metering.hold_budget(action, v_month, cost_micros);
            return v_id;
        end if;

        -- A twin was faster. What this one held goes back.
        update public.usage as u
        set held = u.held - reserve.amount, held_cost_micros = u.held_cost_micros - reserve.cost_micros
        where u.user_id = reserve.user_id and u.action = reserve.action and u.month = v_month;
    end if;

    -- Refused, or overtaken: perhaps by a twin, which committed while this one waited for the row.
    if idempotency_key is not null then
        v_id := metering.reserved(user_id, action, amount, cost_micros, expires_in, idempotency_key);
    end if;
    if v_id is null then
        perform metering.refuse(v_limits, v_month, amount, cost_micros);
    end if;
    return v_id;
end
$$;
comment on function metering.reserve(uuid, text, bigint, bigint, interval, text) is
'Holds an amount of an action, and what it may cost at worst, for work that is about to begin; raises quota_exceeded, or provider_unavailable where the installation''s budget is spent.
End it with metering.settle or metering.release; otherwise it ends by itself. The same key returns the same reservation.';
