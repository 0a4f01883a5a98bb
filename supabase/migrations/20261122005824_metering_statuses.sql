-- Where somebody stands.

set lock_timeout = '5s';

create type metering.amounts as (
    amount bigint,
    cost_micros bigint
);
comment on type metering.amounts is 'So many calls, and so much money in millionths of a US dollar.';

create function metering.expired(user_id uuid, action text, month date)
returns metering.amounts
language sql
stable
set search_path = ''
as $$
    select coalesce(sum(r.amount), 0)::bigint, coalesce(sum(r.cost_micros), 0)::bigint
    from metering.reservations as r
    where
        r.user_id = expired.user_id and r.action = expired.action and r.month = expired.month
        and r.status = 'held' and r.expires_at <= clock_timestamp();
$$;
comment on function metering.expired(uuid, text, date) is
'What usage still shows as held although its time is over.';

create function metering.without_expired(used public.usage)
returns public.usage
language plpgsql
stable
set search_path = ''
as $$
declare
    v_expired metering.amounts;
begin
    if used.held > 0 then
        v_expired := metering.expired(used.user_id, used.action, used.month);
        used.held := used.held - v_expired.amount;
        used.held_cost_micros := used.held_cost_micros - v_expired.cost_micros;
    end if;
    return used;
end
$$;
comment on function metering.without_expired(public.usage) is 'The row as it would be if whatever expired were tidied already.';

create function metering.status_of(limits metering.limits, used public.usage, month date)
returns public.usage_status
language plpgsql
stable
set search_path = ''
as $$
declare
    v_status public.usage_status;
begin
    if used.held > 0 then
        used := metering.without_expired(used);
    end if;
    v_status.action := limits.action;
    v_status.name := limits.action_name;
    v_status.plan := limits.plan;
    v_status.month := month;
    v_status.used := coalesce(used.count, 0);
    v_status.held := coalesce(used.held, 0);
    v_status.soft_limit := limits.soft_limit;
    v_status.hard_limit := limits.hard_limit;
    if limits.hard_limit is not null then
        v_status.remaining := greatest(limits.hard_limit - v_status.used - v_status.held, 0);
    end if;
    v_status.over_soft_limit := coalesce(v_status.used > limits.soft_limit, false);
    v_status.cost_micros := coalesce(used.cost_micros, 0);
    v_status.cost_limit_micros := limits.cost_limit_micros;
    v_status.resets_at := metering.resets_at(month);
    return v_status;
end
$$;
comment on function metering.status_of(metering.limits, public.usage, date) is 'Limits and usage, side by side.';

create function metering.limits_of(user_id uuid, action text)
returns metering.limits
language plpgsql
stable
set search_path = ''
as $$
declare
    v_limits metering.limits;
begin
    select l.* into v_limits
    from metering.limits as l
    where l.user_id = limits_of.user_id and l.action = limits_of.action;
    if not found then
        perform metering.refuse_stranger(action);
    end if;
    return v_limits;
end
$$;
comment on function metering.limits_of(uuid, text) is 'The limits of a living person; refuses others, and unknown actions.';

create function metering.status(user_id uuid, action text)
returns public.usage_status
language plpgsql
stable
set search_path = ''
as $$
declare
    v_limits metering.limits := metering.limits_of(user_id, action);
    v_month date := metering.month_of(now());
    v_used public.usage;
begin
    select u.* into v_used
    from public.usage as u
    where u.user_id = status.user_id and u.action = status.action and u.month = v_month;
    return metering.status_of(v_limits, v_used, v_month);
end
$$;
comment on function metering.status(uuid, text) is 'Where a living person stands with an action this month.';
