-- When work comes by itself. Workers read the cron expression with a library; that a
-- slot runs once is decided here, by one unique row.

set lock_timeout = '5s';

create table jobs.schedules (
    name text constraint schedules_pkey primary key,
    cron text not null,
    kind text not null constraint schedule_has_a_kind references jobs.kinds (kind),
    payload jsonb not null default '{}',
    timezone text not null default 'UTC',
    enabled boolean not null default true,
    keep_runs interval not null default '400 days',
    since timestamptz not null default now(),
    last_slot timestamptz,
    next_slot timestamptz,
    checked_at timestamptz,
    constraint name_is_snake_case check (name ~ '^[a-z][a-z0-9_]*$' and char_length(name) <= 100),
    constraint runs_are_kept_for_days check (keep_runs between interval '1 day' and interval '400 days'),
    constraint cron_is_one_line check (core.is_one_line(cron, 200)),
    constraint payload_is_a_small_object check (core.is_small_object(payload, 32768)),
    -- One that is not finite, or in a year of two or five digits, would be read by no worker.
    constraint times_are_of_our_age check (
        since between '2000-01-01 00:00+00' and '2999-12-31 00:00+00'
        and last_slot between '2000-01-01 00:00+00' and '2999-12-31 00:00+00'
        and next_slot between '2000-01-01 00:00+00' and '2999-12-31 00:00+00'
    )
);
comment on table jobs.schedules is 'Which kind of job comes when. The name is what public.job_runs shows.';
comment on column jobs.schedules.keep_runs is
'How long public.job_runs keeps runs that went well; all others stay for 400 days. Days for what comes every minute, so that the runs of rare schedules are found among them.';
comment on column jobs.schedules.since is 'Slots up to here are nobody''s: the schedule was created, changed or enabled then.';
comment on column jobs.schedules.next_slot is 'As the last worker computed it: the heartbeat. If it lies in the past, the schedule stopped firing.';

create index schedules_of_a_kind on jobs.schedules (kind);

create function jobs.begin_anew()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    new.since := now();
    new.next_slot := null;
    return new;
end
$$;
comment on function jobs.begin_anew() is 'A changed schedule does not catch up on slots that it did not have before.';

create trigger _100_begin_anew
before update of cron, timezone, enabled on jobs.schedules
for each row
when ((old.cron, old.timezone, old.enabled) is distinct from (new.cron, new.timezone, new.enabled))
execute function jobs.begin_anew();

create function jobs.fire_schedule(name text, slot timestamptz)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_schedule jobs.schedules;
    v_run_id uuid := gen_random_uuid();
    v_job_id bigint;
begin
    perform core.valid(name is not null, 'name', 'given');
    perform core.valid(
        slot is not null and isfinite(slot) and slot >= timestamptz '2000-01-01 00:00:00Z',
        'slot', 'a time since the year 2000'
    );
    -- Whoever comes second waits here and then sees the slot taken.
    select s.* into v_schedule from jobs.schedules as s where s.name = fire_schedule.name for update;
    if not found then
        perform core.fail('not_found', 'There is no such schedule.', jsonb_build_object('schedule', name));
    end if;
    if not v_schedule.enabled then
        return 'disabled';
    end if;
    if slot > clock_timestamp() + interval '5 seconds' then
        return 'early';
    end if;
    if slot <= v_schedule.last_slot or exists (
        select from public.job_runs as r where r.schedule = fire_schedule.name and r.slot = fire_schedule.slot
    ) then
        return 'taken';
    end if;

    v_job_id := jobs.enqueue(
        v_schedule.kind, v_schedule.payload || jsonb_build_object('schedule', name, 'slot', slot)
    );
    update jobs.queue as q set run_id = v_run_id where q.id = v_job_id;
    insert into public.job_runs (id, schedule, slot, kind, job_id)
    values (v_run_id, name, slot, v_schedule.kind, v_job_id);
    update jobs.schedules as s set last_slot = slot where s.name = fire_schedule.name;
    return 'fired';
end
$$;
comment on function jobs.fire_schedule(text, timestamptz) is
'Stages the job of a slot, once: answers fired, taken, early or disabled. Later calls for this or an earlier slot are taken. pg_cron may call it beside the workers.';

create function edge.fire_schedule(name text, slot timestamptz)
returns text
language sql
volatile
security definer
set search_path = ''
return jobs.fire_schedule(name, slot);
comment on function edge.fire_schedule(text, timestamptz) is
'A worker saw this slot come. Definer because the worker may not write schedules, runs or jobs.';

create function edge.schedules()
returns table (
    name text,
    cron text,
    timezone text,
    last_slot timestamptz,
    since timestamptz,
    as_of timestamptz
)
language sql
stable
security definer
set search_path = ''
as $$
    select s.name, s.cron, s.timezone, s.last_slot, s.since, clock_timestamp()
    from jobs.schedules as s
    where s.enabled;
$$;
comment on function edge.schedules() is
'What the workers watch, and the one clock that they all go by. Definer because they may not read the table.';

create function edge.plan_schedule(name text, next_slot timestamptz)
returns void
language sql
volatile
security definer
set search_path = ''
begin atomic
    update jobs.schedules as s
    set next_slot = plan_schedule.next_slot, checked_at = clock_timestamp()
    where
        s.name = plan_schedule.name
        and (
            s.next_slot is distinct from plan_schedule.next_slot
            or s.checked_at is null or s.checked_at < clock_timestamp() - interval '1 minute'
        );
end;
comment on function edge.plan_schedule(text, timestamptz) is
'The heartbeat of a schedule: when a worker expects it next. Definer because workers may not write schedules.';

create function jobs.late_schedules(tolerance interval default '5 minutes')
returns table (name text, expected_at timestamptz, late_by interval)
language sql
stable
set search_path = ''
as $$
    select s.name, e.expected_at, clock_timestamp() - e.expected_at
    from jobs.schedules as s
    cross join lateral (select coalesce(s.next_slot, s.since)) as e (expected_at)
    where s.enabled and e.expected_at < clock_timestamp() - tolerance;
$$;
comment on function jobs.late_schedules(interval) is
'Enabled schedules whose slot has passed unfired, or that no worker ever looked at: also when every worker is dead.';

create function jobs.oldest_expired_lease()
returns timestamptz
language sql
volatile
set search_path = ''
as $$
    select e.leased_until
    from (
        select q.leased_until from jobs.queue as q
        where q.state = 'running' and q.leased_until < clock_timestamp()
        order by q.leased_until
        limit 1
        for key share skip locked
    ) as e;
$$;
comment on function jobs.oldest_expired_lease() is
'Since when a vanished worker''s job waits to be reaped; null while the reaping goes on. A SQL job at work has its row locked and is none.';

create function edge.queue_health()
returns jsonb
language sql
volatile
security definer
set search_path = ''
as $$
    select jsonb_build_object(
        'oldest_ready_seconds', coalesce((
            select extract(epoch from clock_timestamp() - q.run_at) from jobs.queue as q
            where q.state = 'ready' order by q.turn limit 1
        ), 0),
        'oldest_expired_lease_seconds', coalesce(
            extract(epoch from clock_timestamp() - jobs.oldest_expired_lease()), 0
        ),
        'running', (select count(*) from jobs.queue as q where q.state = 'running'),
        'dead', d.dead,
        'dead_by_lost_leases', d.by_lost_leases,
        'late_schedules', coalesce((select jsonb_agg(s.name) from jobs.late_schedules() as s), '[]')
    )
    from (
        select count(*) as dead, count(*) filter (where f.lost_leases >= k.max_lost_leases) as by_lost_leases
        from jobs.finished as f
        left join jobs.kinds as k on k.kind = f.kind
        where f.outcome = 'dead'
    ) as d;
$$;
comment on function edge.queue_health() is
'What operators alarm on, of the whole queue: lag, leases that nobody reaps, running and dead jobs (those apart with which workers vanished), schedules that stopped. Definer because the worker may not read the queue.';
