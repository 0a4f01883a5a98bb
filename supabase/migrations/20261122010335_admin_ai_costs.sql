-- What each feature cost in each month, as far back as the log goes.

set lock_timeout = '5s';

create type public.admin_ai_cost as (
    month date,
    feature text,
    calls bigint,
    free_calls bigint,
    input_tokens bigint,
    output_tokens bigint,
    cost_micros bigint,
    lost_cost_micros bigint
);
comment on type public.admin_ai_cost is
'A feature in a month: calls of a model, answers that were there already (free), tokens, and money in millionths of a US dollar: what people''s calls cost, and at worst those whose answer never came.';

create function admin.ai_costs(month date)
returns setof public.admin_ai_cost
language plpgsql
stable
security definer
set search_path = ''
-- A month that is not asked for must vanish before the plan is made.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_month date := date_trunc('month', month::timestamp)::date;
begin
    perform admin.require_admin();
    perform core.valid(isfinite(month), 'month', 'a date');
    return query
    select
        r.month, r.feature,
        count(*) filter (where r.outcome not in ('hit', 'followed')),
        count(*) filter (where r.outcome in ('hit', 'followed')),
        sum(r.input_tokens)::bigint, sum(r.output_tokens)::bigint,
        sum(r.cost_micros)::bigint, sum(r.lost_cost_micros)::bigint
    from ai.requests as r
    where
        v_month is null
        or (
            r.created_at >= v_month::timestamp at time zone 'UTC'
            and r.created_at < metering.resets_at(v_month)
        )
    group by r.month, r.feature
    order by r.month desc, r.feature;
end
$$;
comment on function admin.ai_costs(date) is
'Sums of the log. Definer because the log is closed; checks that the caller is an admin.';

create function public.admin_ai_costs(month date default null)
returns setof public.admin_ai_cost
language sql
stable
set search_path = ''
begin atomic
    select
        c.month, c.feature, c.calls, c.free_calls, c.input_tokens, c.output_tokens, c.cost_micros,
        c.lost_cost_micros
    from admin.ai_costs(admin_ai_costs.month) as c;
end;
comment on function public.admin_ai_costs(date) is
'Admins: what each feature cost in the month of this day (UTC), or in every month of the log, newest first.';
