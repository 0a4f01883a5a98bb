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

create function metering.refuse(limits metering.limits, month date, amount bigint, cost_micros bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_used public.usage;
    v_reason text;
begin
    select u.* into v_used
    from public.usage as u
    where u.user_id = limits.user_id and u.action = limits.action and u.month = refuse.month;
    v_reason := case
        when not limits.is_included then 'not_in_plan'
        else metering.objection(limits.hard_limit, limits.cost_limit_micros, v_used, amount, cost_micros)
    end;
    perform core.fail(
        'quota_exceeded',
        case v_reason
            when 'not_in_plan' then 'The plan does not include this.'
            when 'cost_limit' then 'What this may cost in a month is used up until it resets.'
            else 'The limit of the plan is used up until it resets.'
        end,
        jsonb_build_object(
            'action', limits.action, 'plan', limits.plan, 'scope', 'user', 'reason', v_reason,
            'resets_at', metering.resets_at(month),
            'upgrade', metering.upgrade_for(limits, v_used, amount, cost_micros)
        ) || case v_reason
            when 'cost_limit' then jsonb_build_object(
                'limit', limits.cost_limit_micros, 'used', coalesce(v_used.cost_micros, 0),
                'held', coalesce(v_used.held_cost_micros, 0), 'requested', cost_micros
            )
            else jsonb_build_object(
                'limit', limits.hard_limit, 'used', coalesce(v_used.count, 0),
                'held', coalesce(v_used.held, 0), 'requested', amount
            )
        end
    );
end
$$;
comment on function metering.refuse(metering.limits, date, bigint, bigint) is
'Raises quota_exceeded. Limit, used, held and requested count calls, but micros where the reason is cost_limit.';

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
