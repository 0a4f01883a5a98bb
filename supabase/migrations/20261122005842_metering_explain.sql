-- Why can't I? Everything that decides about an action, in one answer.

set lock_timeout = '5s';

create function metering.budget_allows(action text, month date, cost_micros bigint)
returns boolean
language sql
stable
set search_path = ''
as $$
    select
        cost_micros = 0 and b.action is null
        or coalesce(
            b.cost_limit_micros >= greatest(budget_allows.cost_micros, 1)
            + coalesce(s.cost_micros + s.held_cost_micros, 0) - (
                select coalesce(sum(r.cost_micros), 0)
                from metering.reservations as r
                where
                    r.status = 'held' and r.expires_at <= clock_timestamp()
                    and r.action = budget_allows.action and r.month = budget_allows.month
            ),
            false
        )
    from metering.actions as a
    left join metering.budgets as b on a.action = b.action
    left join metering.spending as s on a.action = s.action and s.month = budget_allows.month
    where a.action = budget_allows.action;
$$;
comment on function metering.budget_allows(text, date, bigint) is
'Whether a call of this cost would fit into the installation''s budget; what has a budget costs something. What expired holds nothing, as in metering.hold_budget.';

create function metering.explain_access(action text)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.require_profile();
    v_limits metering.limits := metering.limits_of(v_profile.id, action);
    v_month date := metering.month_of(now());
    v_now timestamptz := clock_timestamp();
    v_rate jsonb := metering.rate_state(action, v_profile.id);
    v_used public.usage;
    v_status public.usage_status;
    v_reason text;
begin
    select u.* into v_used
    from public.usage as u
    where u.user_id = v_profile.id and u.action = explain_access.action and u.month = v_month;
    v_used := metering.without_expired(v_used);
    v_status := metering.status_of(v_limits, v_used, v_month);
    v_reason := coalesce(
        metering.obstacle(v_limits, v_used),
        case
            when not metering.budget_allows(action, v_month, metering.least_cost(v_limits)) then 'budget'
            when (v_rate ->> 'available')::numeric < 1 then 'rate_limited'
        end
    );

    return jsonb_build_object(
        'action', action,
        'name', v_limits.action_name,
        'allowed', v_reason is null,
        'reason', v_reason,
        'plan', v_limits.plan,
        'plan_from', (
            select coalesce(p.organization_id::text, 'own')
            from metering.plans_of_people as p
            where p.user_id = v_profile.id
        ),
        'override', (
            select jsonb_build_object(
                'soft_limit', o.soft_limit, 'hard_limit', o.hard_limit,
                'cost_limit_micros', o.cost_limit_micros, 'expires_at', o.expires_at
            )
            from metering.overrides as o
            where o.user_id = v_profile.id and o.action = explain_access.action and v_limits.is_override
        ),
        'limits', jsonb_build_object(
            'soft_limit', v_limits.soft_limit, 'hard_limit', v_limits.hard_limit,
            'cost_limit_micros', v_limits.cost_limit_micros
        ),
        'usage', jsonb_build_object(
            'used', v_status.used, 'held', v_status.held, 'remaining', v_status.remaining,
            'over_soft_limit', v_status.over_soft_limit, 'cost_micros', v_status.cost_micros,
            'held_cost_micros', coalesce(v_used.held_cost_micros, 0)
        ),
        'holds', (
            select coalesce(jsonb_agg(to_jsonb(h) order by h.expires_at), '[]')
            from (
                select r.amount, r.created_at, r.expires_at
                from metering.reservations as r
                where
                    r.user_id = v_profile.id and r.action = explain_access.action and r.month = v_month
                    and r.status = 'held' and r.expires_at > v_now
                order by r.expires_at
                limit 20
            ) as h
        ),
        'rate_limit', v_rate,
        'upgrade', case
            when v_reason in ('not_in_plan', 'hard_limit', 'cost_limit')
                then metering.upgrade_for(v_limits, v_used, 1, metering.least_cost(v_limits))
        end,
        'resets_at', v_status.resets_at
    );
end
$$;
comment on function metering.explain_access(text) is
'What decides about the caller and an action. Definer because it reads limits, overrides and holds, which no client may, for the caller alone.';

create function public.explain_access(action text)
returns jsonb
language sql
stable
set search_path = ''
return metering.explain_access(action);
comment on function public.explain_access(text) is
'May you do one more of this now, and if not, why: plan and whose it is, override, limits, usage, holds under way (the next 20 to end), rate limit, the plan that would allow it, and when the month ends.';
