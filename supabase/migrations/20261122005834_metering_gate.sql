-- The gate for policies and functions: may the caller do one more, right now?

set lock_timeout = '5s';

create function metering.least_cost(limits metering.limits)
returns bigint
language sql
immutable
set search_path = ''
return greatest(limits.least_cost_micros, case when limits.cost_limit_micros is null then 0 else 1 end);
comment on function metering.least_cost(metering.limits) is
'What one more costs at least, in micros. Where costs are limited, one more costs something.';

create function metering.obstacle(limits metering.limits, used public.usage)
returns text
language sql
stable
set search_path = ''
as $$
    select case
        when limits.is_included is not true then 'not_in_plan'
        else metering.objection(
            limits.hard_limit, limits.cost_limit_micros, metering.without_expired(used),
            1, metering.least_cost(limits)
        )
    end;
$$;
comment on function metering.obstacle(metering.limits, public.usage) is
'What stands in the way of one more; null if nothing. Of calls that differ in cost, the cheapest.';

create function metering.allows(action text)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
    select coalesce(
        (
            select metering.obstacle(l, u) is null
            from metering.limits as l
            left join public.usage as u
                on l.user_id = u.user_id and l.action = u.action and u.month = metering.month_of(now())
            where l.user_id = (select auth.uid()) and l.action = allows.action
        ),
        false
    );
$$;
comment on function metering.allows(text) is
'For policies: `(select metering.allows(''export''))` is asked once a statement, however many rows there are. False for visitors, the deleted and what is unknown.
It only looks: what must be counted calls consume_usage. Definer because it reads limits, which no client may, for the caller alone.';
