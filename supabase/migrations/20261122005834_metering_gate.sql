-- The gates: may the caller do one more, right now? One answers, for policies, one refuses,
-- for functions, and one counts, for tables.

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

create function metering.require(action text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_user_id uuid := (select auth.uid());
    v_month date := metering.month_of(now());
    v_limits metering.limits;
    v_used public.usage;
begin
    if v_user_id is null then
        if metering.subject() is not null then
            perform core.fail('not_authenticated', 'Sign in first.');
        end if;
        perform core.valid(
            exists (select from metering.actions as a where a.action = require.action),
            'action', 'an action that is metered'
        );
        return;
    end if;

    v_limits := metering.limits_of(v_user_id, action);
    select u.* into v_used
    from public.usage as u
    where u.user_id = v_user_id and u.action = require.action and u.month = v_month;
    v_used := metering.without_expired(v_used);
    if metering.obstacle(v_limits, v_used) is not null then
        perform metering.refuse(v_limits, v_used, v_month, 1, metering.least_cost(v_limits));
    end if;
end
$$;
comment on function metering.require(text) is
'Raises quota_exceeded if the caller may not do one more; counts nothing, so that two at once may both pass. For functions and triggers that only the plan decides about: who counts calls metering.consume instead.
DBAs, workers and service_role without a person pass.';

create function metering.count_written()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_user_id uuid := (select auth.uid());
    v_rows bigint;
begin
    if metering.subject() is null then
        return null;
    elsif v_user_id is null then
        perform core.fail('not_authenticated', 'Sign in first.');
    end if;
    select count(*) into v_rows from new_rows;
    if v_rows > 0 then
        perform metering.consume(v_user_id, tg_argv[0], v_rows);
    end if;
    return null;
end
$$;
comment on function metering.count_written() is
'Counts each row that a person inserted, or refuses the statement. Definer because nobody else may write usage.';

create function metering.count_writes(metered regclass, action text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.valid(
        action is not null and exists (select from metering.actions as a where a.action = count_writes.action),
        'action', 'an action that is metered'
    );
    execute format(
        -- After limit_writes, as in export_project: the bucket first, then usage.
        'create or replace trigger %I after insert on %s referencing new table as new_rows '
        'for each statement execute function metering.count_written(%L)',
        '_960_count_' || action, metered, action
    );
end
$$;
comment on function metering.count_writes(regclass, text) is
'Counts each row that a person inserts into a table as one of an action: select metering.count_writes(''public.reports'', ''reports''). It cannot be gone around; DBAs, workers and service_role without a person are not metered.';
