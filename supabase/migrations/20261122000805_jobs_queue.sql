-- The hot table holds unfinished jobs and nothing else.
--
--   scheduled --due--> ready --claim--> running --done--> gone (or jobs.finished)
--       ^                ^                |
--       |                +--- released ---+--- dead, cancelled, dropped --> jobs.finished
--       +---- failed, retry later --------+

set lock_timeout = '5s';

create function jobs.is_bounded(payload jsonb, priority integer, unique_key text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
    -- Whatever is fine is asked in one expression: each is prepared anew in each transaction.
    if (
        jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 65536
        and priority between -100 and 100 and unique_key is null
    ) is not true then
        perform core.valid(core.is_small_object(payload, 65536), 'payload', 'a JSON object of at most 64 KB');
        perform core.valid(priority between -100 and 100, 'priority', 'from -100 (last) to 100 (first)');
        perform core.valid(core.is_one_line(unique_key, 200), 'unique_key', 'one line of 1 to 200 characters');
    end if;
    return true;
end
$$;
comment on function jobs.is_bounded(jsonb, integer, text) is
'The CHECK on what a job is staged with. One function, because Postgres prepares every expression of every CHECK anew for each statement: three of them cost a claim of one job as much as its index entries.';

create table jobs.queue (
    id bigint generated always as identity constraint queue_pkey primary key,
    state text not null,
    turn timestamptz not null,
    run_at timestamptz not null,
    kind text not null,
    payload jsonb not null,
    priority integer not null,
    unique_key text,
    idempotency_key uuid not null default gen_random_uuid(),
    run_id uuid,
    created_at timestamptz not null default now(),
    attempts integer not null default 0,
    lost_leases integer not null default 0,
    lease bigint not null default 0,
    leased_until timestamptz,
    worker text,
    deferred_since timestamptz,
    last_error text,
    constraint state_is_known_and_only_running_has_a_lease check (
        case state
            when 'running' then leased_until is not null
            when 'ready' then leased_until is null
            when 'scheduled' then leased_until is null
            else false
        end
    ),
    -- Postgres would ask again with every claim, for more than the claim itself: once it has a lease, it was asked.
    constraint payload_priority_and_key_are_bounded check (
        lease > 0 or jobs.is_bounded(payload, priority, unique_key)
    )
) with (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table jobs.queue is 'Unfinished jobs. Written by the functions of jobs and edge only.';
comment on column jobs.queue.turn is
'Ready jobs are taken in this order: when a job is due, a minute earlier for each point of priority. So urgent work overtakes, but whatever waits is reached in the end.';
comment on column jobs.queue.lease is
'Fencing token: grows with every claim, and only who holds the current one may finish the job.';
comment on column jobs.queue.idempotency_key is
'For calls to the outside world: the same in every attempt, and committed long before the first.';
comment on column jobs.queue.run_id is 'The row of public.job_runs that this job fulfils, if a schedule made it.';

create index queue_ready on jobs.queue (turn, id) where state = 'ready';
create index queue_scheduled on jobs.queue (run_at) where state = 'scheduled';
create index queue_running on jobs.queue (leased_until) where state = 'running';
create unique index one_unfinished_job_per_key on jobs.queue (kind, unique_key) where unique_key is not null;

create function jobs.turn(due timestamptz, priority integer)
returns timestamptz
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return due - priority * interval '1 minute';
end
$$;
comment on function jobs.turn(timestamptz, integer) is
'When it is a ready job''s turn. Immutable, because adding minutes does not depend on the time zone.';

create table jobs.finished (
    id bigint constraint finished_pkey primary key,
    kind text not null,
    outcome text not null,
    reason text,
    payload jsonb not null,
    priority integer not null,
    unique_key text,
    idempotency_key uuid not null,
    run_id uuid,
    created_at timestamptz not null,
    attempts integer not null,
    lost_leases integer not null,
    lease bigint not null,
    result jsonb,
    finished_at timestamptz not null default now(),
    keep_until timestamptz not null,
    constraint outcome_is_known check (outcome in ('done', 'dead', 'cancelled', 'dropped')),
    constraint done_or_has_a_reason check (outcome = 'done' or reason is not null)
);
comment on table jobs.finished is
'Jobs that ended: dead and cancelled ones to inspect, requeue or drop, done ones of kinds that keep them. Cleaned up by schedule.';

create index finished_expiring on jobs.finished (keep_until);
create index finished_unsettled on jobs.finished (outcome, id) where outcome <> 'done';

create function jobs.error_text(message text)
returns text
language sql
immutable
parallel safe
set search_path = ''
return left(coalesce(nullif(message, ''), 'no reason given'), 2000);
comment on function jobs.error_text(text) is 'What is kept of an error: never nothing, never megabytes.';
