-- Where the host has pg_cron, it fires the schedules beside the workers: a slot is staged on time
-- also while every worker is away. Whoever comes second finds the slot taken.
--
-- What pg_cron is told is only when to look. Which slot has come is read from the schedule here, so
-- that a pg_cron that is late, or runs by another clock, fires no slot that no worker would.

set lock_timeout = '5s';

create function jobs.cron_values(field text, lowest integer, highest integer)
returns integer[]
language sql
immutable
parallel safe
set search_path = ''
as $$
    select array_agg(v.value)
    from string_to_table(field, ',') as p (part)
    cross join lateral regexp_match(p.part, '^(?:\*(?:/(\d+))?|(\d+)(?:-(\d+))?)$') as m (m)
    cross join lateral generate_series(
        coalesce(m.m[2]::integer, lowest), coalesce(m.m[3]::integer, m.m[2]::integer, highest),
        coalesce(m.m[1]::integer, 1)
    ) as v (value);
$$;
comment on function jobs.cron_values(text, integer, integer) is
'What one field of a plain cron expression stands for.';

create function jobs.is_plain(cron text, timezone text)
returns boolean
language sql
immutable
parallel safe
set search_path = ''
as $$
    select
        timezone in ('UTC', 'Etc/UTC', 'GMT', 'Etc/GMT')
        and cron ~ '^(\S+ ){4}\S+$'
        and '*' in (split_part(cron, ' ', 3), split_part(cron, ' ', 5))
        and not exists (
            select from regexp_split_to_table(cron, '[ ,]') as p (part)
            where p.part !~ '^(\*(/[1-9]\d?)?|\d\d?(-\d\d?)?)$'
        );
$$;
comment on function jobs.is_plain(text, text) is
'Whether every cron means the same by this expression: five fields of numbers, ranges, lists and */steps, days of month or of week but not both, in UTC, by which pg_cron goes. All others are left to the workers.';

create function jobs.latest_slot(cron text, as_of timestamptz)
returns timestamptz
language sql
immutable
parallel safe
set search_path = ''
as $$
    select max(m.minute)
    from generate_series(
        date_trunc('minute', as_of, 'UTC') - interval '1 hour', date_trunc('minute', as_of, 'UTC'), interval '1 minute', 'UTC'
    ) as m (minute)
    cross join lateral (select m.minute at time zone 'UTC') as u (at)
    where
        date_part('minute', u.at) = any (jobs.cron_values(split_part(cron, ' ', 1), 0, 59))
        and date_part('hour', u.at) = any (jobs.cron_values(split_part(cron, ' ', 2), 0, 23))
        and date_part('day', u.at) = any (jobs.cron_values(split_part(cron, ' ', 3), 1, 31))
        and date_part('month', u.at) = any (jobs.cron_values(split_part(cron, ' ', 4), 1, 12))
        -- Sunday is 0 and 7
        and array[date_part('dow', u.at), date_part('isodow', u.at)]::integer[]
        && jobs.cron_values(split_part(cron, ' ', 5), 0, 7);
$$;
comment on function jobs.latest_slot(text, timestamptz) is
'The last slot of a plain expression within the hour, if there was one. Immutable, because it looks at UTC only.';

create function jobs.fire_by_pg_cron(name text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_schedule jobs.schedules;
    v_slot timestamptz;
begin
    select s.* into v_schedule from jobs.schedules as s where s.name = fire_by_pg_cron.name;
    if not found or not v_schedule.enabled or not jobs.is_plain(v_schedule.cron, v_schedule.timezone) then
        return 'disabled';
    end if;
    v_slot := jobs.latest_slot(v_schedule.cron, clock_timestamp());
    if v_slot is null or v_slot <= v_schedule.since then
        return 'early';
    end if;
    return jobs.fire_schedule(name, v_slot);
end
$$;
comment on function jobs.fire_by_pg_cron(text) is
'What pg_cron calls: stages the job of the latest slot unless it is taken. Answers as jobs.fire_schedule does.';

create function jobs.tell_pg_cron(name text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job text := 'groundwork:' || name;
    v_schedule jobs.schedules;
    v_known boolean;
begin
    if to_regclass('cron.job') is null then
        return;
    end if;
    select s.* into v_schedule from jobs.schedules as s where s.name = tell_pg_cron.name;
    if v_schedule.enabled and jobs.is_plain(v_schedule.cron, v_schedule.timezone) then
        execute 'select cron.schedule($1, $2, $3)'
        using v_job, v_schedule.cron, format('select jobs.fire_by_pg_cron(%L)', name);
    else
        execute 'select exists (select from cron.job where jobname = $1)' into v_known using v_job;
        if v_known then
            execute 'select cron.unschedule($1)' using v_job;
        end if;
    end if;
exception
    when others then
        -- The workers fire it in any case, and a schedule that pg_cron still knows fires no slot twice.
        raise warning 'pg_cron did not take the schedule %: %', name, sqlerrm;
end
$$;
comment on function jobs.tell_pg_cron(text) is
'Brings pg_cron in step with a schedule, if there is pg_cron. Dynamic, because its schema need not exist.';

create function jobs.follow_with_pg_cron()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if tg_op <> 'INSERT' then
        perform jobs.tell_pg_cron(old.name);
    end if;
    if tg_op <> 'DELETE' then
        perform jobs.tell_pg_cron(new.name);
    end if;
    return null;
end
$$;
comment on function jobs.follow_with_pg_cron() is 'Whoever changes a schedule changes it for pg_cron too, in the same transaction.';

create trigger _100_follow_with_pg_cron
after insert or delete or update of name, cron, timezone, enabled on jobs.schedules
for each row
execute function jobs.follow_with_pg_cron();

create function jobs.use_pg_cron()
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    if to_regclass('cron.job') is null then
        perform core.fail('invalid_state', 'Enable the extension pg_cron in this database first.');
    end if;
    perform jobs.tell_pg_cron(s.name) from jobs.schedules as s;
    execute $q$select count(*) from cron.job where jobname like 'groundwork:%'$q$ into v_count;
    return v_count;
end
$$;
comment on function jobs.use_pg_cron() is
'For DBAs who enable pg_cron when the schedules are there already; returns how many it fires from now on. Schedules that change later tell it themselves.';
