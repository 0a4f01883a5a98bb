-- Each run of a schedule: which slot, how it went, what it counted.

set lock_timeout = '5s';

create table public.job_runs (
    id uuid not null default gen_random_uuid() constraint job_runs_pkey primary key,
    schedule text not null,
    slot timestamptz not null,
    kind text not null,
    job_id bigint not null,
    status text not null default 'queued',
    counts jsonb not null default '{}',
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    duration interval generated always as (finished_at - started_at) stored,
    constraint one_run_per_slot unique (schedule, slot),
    constraint status_is_known check (status in ('queued', 'running', 'done', 'failed', 'cancelled')),
    constraint finished_has_a_time check (
        (status in ('done', 'failed', 'cancelled')) = (finished_at is not null)
    ),
    constraint failed_has_an_error check (status <> 'failed' or error is not null),
    constraint counts_are_an_object check (jsonb_typeof(counts) = 'object')
);
comment on table public.job_runs is
'Admins: every run of a schedule. A slot has one row, however many workers saw it come.';
comment on column public.job_runs.error is
'Of the last attempt that failed, or what the work itself reports as "error" beside its counts; a run may still end as done.';

create index job_runs_newest on public.job_runs (created_at desc, id);

create table public.job_run_failures (
    id uuid not null default gen_random_uuid() constraint job_run_failures_pkey primary key,
    run_id uuid not null,
    subject text not null,
    error text not null,
    created_at timestamptz not null default now(),
    constraint job_run_failures_run_id_fkey
    foreign key (run_id) references public.job_runs (id) on delete cascade,
    constraint one_failure_per_subject unique (run_id, subject)
);
comment on table public.job_run_failures is
'Admins: what a run could not do while it did everything else. Names its subject by id and says why without quoting data.';

create function jobs.start_run()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    update public.job_runs as r
    set status = 'running', started_at = coalesce(r.started_at, clock_timestamp())
    where r.id = new.run_id;
    return null;
end
$$;
comment on function jobs.start_run() is
'Marks the run of a claimed job; its first start counts. Jobs without a run do not pay for it: the trigger''s WHEN says so.';

create trigger _100_start_run
after update of state on jobs.queue
for each row
when (new.run_id is not null and new.state = 'running')
execute function jobs.start_run();

create function jobs.end_run(run_id uuid, status text, counts jsonb, error text)
returns void
language sql
volatile
set search_path = ''
begin atomic
    update public.job_runs as r
    set
        status = end_run.status,
        counts = case
            when jsonb_typeof(end_run.counts) = 'object' then end_run.counts - 'error' else r.counts
        end,
        error = coalesce(end_run.error, end_run.counts ->> 'error', r.error),
        started_at = coalesce(r.started_at, now()),
        finished_at = clock_timestamp()
    where r.id = end_run.run_id;
end;
comment on function jobs.end_run(uuid, text, jsonb, text) is 'Logs how a run ended, in the transaction that ends its job.';
