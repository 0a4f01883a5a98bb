-- What admins see of the queue, and decide.

set lock_timeout = '5s';

create index job_runs_of_a_schedule on public.job_runs (schedule, created_at desc);

create function admin.jobs(only_state text, only_kind text, before bigint, page_size integer)
returns table (
    id bigint,
    kind text,
    state text,
    priority integer,
    payload jsonb,
    unique_key text,
    run_at timestamptz,
    created_at timestamptz,
    attempts integer,
    lost_leases integer,
    worker text,
    reason text,
    finished_at timestamptz
)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    perform admin.require_admin();
    return query
    select
        o.id, o.kind, o.state, o.priority, o.payload, o.unique_key, o.run_at, o.created_at, o.attempts,
        o.lost_leases, o.worker, o.reason, o.finished_at
    from jobs.overview as o
    where
        (only_state is null or o.state = only_state)
        and (only_kind is null or o.kind = only_kind)
        and o.id < coalesce(before, 9223372036854775807)
    order by o.id desc
    limit least(greatest(coalesce(page_size, 50), 1), 200);
end
$$;
comment on function admin.jobs(text, text, bigint, integer) is
'A page of jobs, newest first. Definer because nobody else may read the queue; checks that the caller is an admin.';

create function public.admin_jobs(
    only_state text default null,
    only_kind text default null,
    before bigint default null,
    page_size integer default 50
)
returns table (
    id bigint,
    kind text,
    state text,
    priority integer,
    payload jsonb,
    unique_key text,
    run_at timestamptz,
    created_at timestamptz,
    attempts integer,
    lost_leases integer,
    worker text,
    reason text,
    finished_at timestamptz
)
language sql
stable
set search_path = ''
begin atomic
    select
        j.id, j.kind, j.state, j.priority, j.payload, j.unique_key, j.run_at, j.created_at, j.attempts,
        j.lost_leases, j.worker, j.reason, j.finished_at
    from
        admin.jobs(
            admin_jobs.only_state, admin_jobs.only_kind, admin_jobs.before, admin_jobs.page_size
        ) as j;
end;
comment on function public.admin_jobs(text, text, bigint, integer) is
'Admins: jobs that wait, run or did not end well, newest first; the next page is `before` the last id.';

create function admin.retry_job(id bigint)
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.lock_profile();
    perform admin.require_admin();
    perform jobs.requeue(id);
    perform audit.record('retry_job', jsonb_build_object('job', id));
    return id;
end
$$;
comment on function admin.retry_job(bigint) is
'Lets a job run again on behalf of an admin. Definer because nobody else may write the queue.';

create function public.admin_retry_job(id bigint)
returns bigint
language sql
volatile
set search_path = ''
return admin.retry_job(id);
comment on function public.admin_retry_job(bigint) is
'Admins: let a dead or cancelled job start over, a scheduled one start now. Returns its id.';

create function admin.drop_job(id bigint, reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.lock_profile();
    perform admin.require_admin();
    perform jobs.drop(id, reason);
    perform audit.record('drop_job', jsonb_build_object('job', id, 'reason', reason));
end
$$;
comment on function admin.drop_job(bigint, text) is
'Ends a job for good on behalf of an admin. Definer because nobody else may write the queue.';

create function public.admin_drop_job(id bigint, reason text)
returns void
language sql
volatile
set search_path = ''
return admin.drop_job(id, reason);
comment on function public.admin_drop_job(bigint, text) is
'Admins: end an unfinished, dead or cancelled job for good. The reason is kept.';

create function admin.is_admin()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
    select coalesce(p.role in ('admin', 'super_admin'), false) from identity.my_profile() as p;
$$;
comment on function admin.is_admin() is
'Whether the caller is an admin, for policies. Definer because it reads profiles past their policies, for the caller alone.';
