-- Counting, decided by one atomic statement: however many come at once, each adds to what
-- the one before left, and none passes the limit.

set lock_timeout = '5s';

create function metering.end_expired_holds(user_id uuid, action text, month date)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_freed metering.amounts;
begin
    -- Mostly the caller has it locked; not if it asks for more than there ever is, which needs no look at
    -- the row. Usage first, or this and a settlement wait for each other.
    perform
    from public.usage as u
    where
        u.user_id = end_expired_holds.user_id and u.action = end_expired_holds.action
        and u.month = end_expired_holds.month
    for no key update;

    with ended as (
        update metering.reservations as r
        set status = 'expired', ended_at = v_now
        where
            r.user_id = end_expired_holds.user_id and r.action = end_expired_holds.action
            and r.month = end_expired_holds.month and r.status = 'held' and r.expires_at <= v_now
        returning r.amount, r.cost_micros
    )

    select sum(e.amount)::bigint, sum(e.cost_micros)::bigint into v_freed from ended as e;
    if v_freed.amount is null then
        return false;
    end if;

    update public.usage as u
    set held = u.held - v_freed.amount, held_cost_micros = u.held_cost_micros - v_freed.cost_micros
    where
        u.user_id = end_expired_holds.user_id and u.action = end_expired_holds.action
        and u.month = end_expired_holds.month;
    perform metering.spend(action, month, 0, -v_freed.cost_micros);
    return true;
end
$$;
comment on function metering.end_expired_holds(uuid, text, date) is
'Gives back what expired of a person''s holds; false if nothing did.';

create function metering.occupy(
    limits metering.limits,
    month date,
    amount bigint,
    held bigint,
    held_cost_micros bigint
)
returns public.usage
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_used public.usage;
begin
    for v_try in 1 .. 2 loop
        insert into public.usage as u (user_id, action, month, count, held, held_cost_micros)
        select limits.user_id, limits.action, occupy.month, occupy.amount, occupy.held, occupy.held_cost_micros
        where
            (limits.hard_limit is null or occupy.amount + occupy.held <= limits.hard_limit)
            and (limits.cost_limit_micros is null or occupy.held_cost_micros <= limits.cost_limit_micros)
        on conflict on constraint usage_pkey do update
        set
            count = u.count + excluded.count,
            held = u.held + excluded.held,
            held_cost_micros = u.held_cost_micros + excluded.held_cost_micros
        where
            (limits.hard_limit is null or u.count + u.held + excluded.count + excluded.held <= limits.hard_limit)
            and (
                limits.cost_limit_micros is null
                or u.cost_micros + u.held_cost_micros + excluded.held_cost_micros <= limits.cost_limit_micros
            )
        returning u.* into v_used;
        if found then
            return v_used;
        end if;

        -- What expired stands in nobody's way.
        exit when v_try = 2 or not metering.end_expired_holds(limits.user_id, limits.action, month);
    end loop;
    return null;
end
$$;
comment on function metering.occupy(metering.limits, date, bigint, bigint, bigint) is
'Counts an amount, or holds one, if it fits under both limits; null if not. The one statement that decides.';

create function metering.consume(user_id uuid, action text, amount bigint)
returns public.usage_status
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
    v_month date := metering.month_of(now());
    v_limits metering.limits;
    v_used public.usage;
begin
    if (amount between 1 and 1000000) is not true then
        perform core.valid(false, 'amount', 'from 1 to 1000000');
    end if;
    select l.* into v_limits
    from metering.limits as l
    where l.user_id = consume.user_id and l.action = consume.action;
    if not found then
        perform metering.refuse_stranger(action);
    end if;

    -- Nearly always the row is there and has room; all else is decided by the statement of those who hold.
    update public.usage as u
    set count = u.count + consume.amount
    where
        u.user_id = consume.user_id and u.action = consume.action and u.month = v_month
        and (v_limits.hard_limit is null or u.count + u.held + consume.amount <= v_limits.hard_limit)
        and (v_limits.cost_limit_micros is null or u.cost_micros + u.held_cost_micros <= v_limits.cost_limit_micros)
    returning u.* into v_used;
    if not found then
        v_used := metering.occupy(v_limits, v_month, amount, 0, 0);
        if v_used.user_id is null then
            perform metering.refuse(v_limits, v_month, amount, 0);
        end if;
    end if;
    if v_used.count > v_limits.soft_limit and v_used.warned_at is null then
        perform metering.warn(v_limits, v_used);
    end if;
    return metering.status_of(v_limits, v_used, v_month);
end
$$;
comment on function metering.consume(uuid, text, bigint) is
'Counts an amount of an action that a person did, or raises quota_exceeded. It locks nobody''s profile: a change of plan at the same time is simply before or after.';
