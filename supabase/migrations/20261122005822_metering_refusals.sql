-- Why not, and what would help: all that a client needs for its dialog.

set lock_timeout = '5s';

create function metering.objection(
    hard_limit bigint,
    cost_limit_micros bigint,
    used public.usage,
    amount bigint,
    cost_micros bigint
)
returns text
language sql
immutable
set search_path = ''
return case
    when coalesce((used).count, 0) + coalesce((used).held, 0) + amount > hard_limit then 'hard_limit'
    when
        coalesce((used).cost_micros, 0) + coalesce((used).held_cost_micros, 0) + cost_micros
        > cost_limit_micros
        then 'cost_limit'
end;
comment on function metering.objection(bigint, bigint, public.usage, bigint, bigint) is
'Which limit a call would break on top of what was used: null if none.';

create function metering.upgrade_for(
    limits metering.limits,
    used public.usage,
    amount bigint,
    cost_micros bigint
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'plan', p.plan, 'name', p.name, 'unit_amount', c.unit_amount, 'currency', c.currency,
        'interval', c.recurring
    )
    from public.plans as p
    inner join public.plan_limits as l on p.plan = l.plan
    inner join public.prices as c on p.price_id = c.id
    where
        not upgrade_for.limits.is_override
        and p.rank > (select q.rank from public.plans as q where q.plan = upgrade_for.limits.plan)
        and l.action = upgrade_for.limits.action
        and metering.objection(
            l.hard_limit, l.cost_limit_micros, upgrade_for.used, upgrade_for.amount, upgrade_for.cost_micros
        ) is null
    order by c.unit_amount, p.rank
    limit 1;
$$;
comment on function metering.upgrade_for(metering.limits, public.usage, bigint, bigint) is
'The cheapest higher plan under which this very call would pass, with its price. Null: none, or an override rules and no plan would change that.';

create function metering.until(month date)
returns text
language sql
stable
set search_path = ''
return to_char(metering.resets_at(month) at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"');
comment on function metering.until(date) is 'When the next month begins, for hints.';

create function metering.advice(
    limits metering.limits,
    used public.usage,
    month date,
    amount bigint,
    reason text
)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    v_whose constant text := case
        when limits.is_override then 'the limit that an admin set' else 'the limit of the plan'
    end;
    v_used constant bigint := coalesce(used.count, 0);
    v_held constant bigint := coalesce(used.held, 0);
    v_left constant bigint := greatest(limits.hard_limit - v_used - v_held, 0);
begin
    return limits.action_name || ': ' || case
        when reason = 'not_in_plan' or (limits.hard_limit = 0 and not limits.is_override)
            then 'the plan does not include this.'
        when reason = 'cost_limit' and used.cost_micros + used.held_cost_micros >= limits.cost_limit_micros
            then format('%s is used up by what this month''s calls cost, until %s.', v_whose, metering.until(month))
        when reason = 'cost_limit'
            then format(
                'what this may cost is more than %s leaves until %s. Ask for less.', v_whose, metering.until(month)
            )
        when limits.hard_limit = 0 then 'an admin has switched this off for you.'
        when v_left = 0 and v_held > 0
            then format(
                '%s, %s, is used up until %s. Work under way holds %s of it; what that does not need comes back.',
                v_whose, limits.hard_limit, metering.until(month), v_held
            )
        when v_left = 0 then format('%s, %s, is used up until %s.', v_whose, limits.hard_limit, metering.until(month))
        else format(
            '%s were asked for, %s leaves %s until %s.', amount, v_whose, v_left, metering.until(month)
        )
    end;
end
$$;
comment on function metering.advice(metering.limits, public.usage, date, bigint, text) is
'The hint of a refusal: part of the plan or not, whose limit, used up or too much at once.';

create function metering.refuse(
    limits metering.limits,
    used public.usage,
    month date,
    amount bigint,
    cost_micros bigint
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_reason text := case
        when not limits.is_included then 'not_in_plan'
        else metering.objection(limits.hard_limit, limits.cost_limit_micros, used, amount, cost_micros)
    end;
begin
    perform core.fail(
        'quota_exceeded',
        metering.advice(limits, used, month, amount, v_reason),
        jsonb_build_object(
            'action', limits.action, 'name', limits.action_name, 'plan', limits.plan, 'scope', 'user',
            'reason', v_reason, 'resets_at', metering.resets_at(month),
            'upgrade', metering.upgrade_for(limits, used, amount, cost_micros)
        ) || case v_reason
            when 'cost_limit' then jsonb_build_object(
                'limit', limits.cost_limit_micros, 'used', coalesce(used.cost_micros, 0),
                'held', coalesce(used.held_cost_micros, 0), 'requested', cost_micros
            )
            else jsonb_build_object(
                'limit', limits.hard_limit, 'used', coalesce(used.count, 0),
                'held', coalesce(used.held, 0), 'requested', amount
            )
        end
    );
end
$$;
comment on function metering.refuse(metering.limits, public.usage, date, bigint, bigint) is
'Raises quota_exceeded. Limit, used, held and requested count calls, but micros where the reason is cost_limit.';

create function metering.refuse(limits metering.limits, month date, amount bigint, cost_micros bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_used public.usage;
begin
    select u.* into v_used
    from public.usage as u
    where u.user_id = limits.user_id and u.action = limits.action and u.month = refuse.month;
    perform metering.refuse(limits, v_used, month, amount, cost_micros);
end
$$;
comment on function metering.refuse(metering.limits, date, bigint, bigint) is
'Raises quota_exceeded, by what the person has used up to now.';

create function metering.refuse_stranger(action text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    perform core.valid(
        exists (select from metering.actions as a where a.action = refuse_stranger.action),
        'action', 'an action that is metered'
    );
    perform core.fail('not_authenticated', 'This account does not exist.');
end
$$;
comment on function metering.refuse_stranger(text) is
'Says why nothing was found in metering.limits: no such action, or no such living person.';
