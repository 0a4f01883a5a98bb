-- How a job ends, or goes back to wait. Whoever ends it shows its lease; a worker that
-- lost it is told so and changes nothing.

set lock_timeout = '5s';

create function jobs.bury(job jobs.queue, outcome text, reason text, result jsonb, keep interval)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    delete from jobs.queue as q where q.id = job.id;
    insert into jobs.finished (
        id, kind, outcome, reason, payload, priority, unique_key, idempotency_key, run_id, created_at,
        attempts, lost_leases, lease, result, keep_until
    )
    values (
        job.id, job.kind, outcome, jobs.error_text(reason), job.payload, job.priority, job.unique_key,
        job.idempotency_key, job.run_id, job.created_at, job.attempts, job.lost_leases, job.lease, result,
        now() + keep
    );
    if job.run_id is not null then
        perform jobs.end_run(
            job.run_id, case outcome when 'dead' then 'failed' else 'cancelled' end, result, jobs.error_text(reason)
        );
    end if;
end
$$;
comment on function jobs.bury(jobs.queue, text, text, jsonb, interval) is
'Moves an unfinished job to jobs.finished with the reason why it will not be done.';

create function jobs.held(id bigint, lease bigint)
returns jobs.queue
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job jobs.queue;
begin
    select q.* into v_job
    from jobs.queue as q
    where q.id = held.id and q.lease = held.lease and q.state = 'running'
    for update;
    return v_job;
end
$$;
comment on function jobs.held(bigint, bigint) is
'Locks and returns the job if this lease is the current one, else a row of nulls. While the lock lasts nobody reaps it.';

create function edge.complete_jobs(ids bigint[], leases bigint[], results jsonb[] default null)
returns bigint[]
language plpgsql
volatile
security definer
set search_path = ''
-- One plan for all calls, from indexes only, as in edge.claim_jobs.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    v_kept text[] := array(select k.kind from jobs.kinds as k where k.keep_done > interval '0');
    -- Mostly all are in their first lease; then no row has to look up its own.
    v_lease bigint := case when leases[1] = all (leases) then leases[1] end;
    v_done bigint[];
    v_job jobs.queue;
    v_result jsonb;
    v_keep interval;
begin
    -- What leaves nothing behind. By primary key, in its order. Not state = 'running', which would offer the
    -- planner the index of all running jobs, to be compared with the batch one by one.
    with gone as (
        delete from jobs.queue as q
        where
            q.id = any (ids)
            and q.lease = coalesce(v_lease, leases[array_position(ids, q.id)])
            and q.leased_until is not null
            and q.run_id is null
            and q.kind <> all (v_kept)
        returning q.id
    )

    select array_agg(g.id) into v_done
    from gone as g;
    if cardinality(v_done) = cardinality(ids) then
        return '{}';
    end if;

    for v_job in
        delete from jobs.queue as q
        where
            q.id = any (ids)
            and q.lease = coalesce(v_lease, leases[array_position(ids, q.id)])
            and q.leased_until is not null
        returning q.*
    loop
        v_done := v_done || v_job.id;
        v_result := results[array_position(ids, v_job.id)];
        select k.keep_done into v_keep from jobs.kinds as k where k.kind = v_job.kind;
        if v_keep > interval '0' then
            insert into jobs.finished (
                id, kind, outcome, payload, priority, unique_key, idempotency_key, run_id, created_at,
                attempts, lost_leases, lease, result, keep_until
            )
            values (
                v_job.id, v_job.kind, 'done', v_job.payload, v_job.priority, v_job.unique_key,
                v_job.idempotency_key, v_job.run_id, v_job.created_at, v_job.attempts, v_job.lost_leases,
                v_job.lease, v_result, now() + v_keep
            );
        end if;
        if v_job.run_id is not null then
            perform jobs.end_run(v_job.run_id, 'done', v_result, null);
        end if;
    end loop;
    return array(select h.id from unnest(ids) as h (id) where not h.id = any (coalesce(v_done, '{}')));
end
$$;
comment on function edge.complete_jobs(bigint[], bigint[], jsonb[]) is
'Ends jobs as done; returns the ids whose lease was lost, of which nothing changed. Definer because the worker may not write the queue.';

create function jobs.refuse_lost_lease(job_id bigint)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    perform core.fail(
        'invalid_state', 'Another worker has this job now, or it is finished.',
        jsonb_build_object('rule', 'lease_lost', 'job_id', job_id)
    );
end
$$;
comment on function jobs.refuse_lost_lease(bigint) is 'What a worker hears that comes too late.';

create function jobs.finish(id bigint, lease bigint, result jsonb default null)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    if edge.complete_jobs(array[id], array[lease], array[result]) <> '{}' then
        perform jobs.refuse_lost_lease(id);
    end if;
end
$$;
comment on function jobs.finish(bigint, bigint, jsonb) is
'Ends a job as done inside the transaction that keeps its effect, or takes both back: for functions that record what a Python handler did.';

create function jobs.fail(job jobs.queue, error text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_kind jobs.kinds;
    v_delay interval;
begin
    select k.* into v_kind from jobs.kinds as k where k.kind = job.kind;
    job.attempts := job.attempts + 1;
    if not found or job.attempts >= v_kind.max_attempts then
        perform jobs.bury(job, 'dead', error, null, interval '90 days');
        return 'dead';
    end if;

    v_delay := jobs.backoff(v_kind, job.attempts);
    update jobs.queue as q
    set
        state = 'scheduled', run_at = clock_timestamp() + v_delay,
        turn = jobs.turn(clock_timestamp() + v_delay, job.priority),
        attempts = job.attempts, last_error = jobs.error_text(error), leased_until = null, worker = null
    where q.id = job.id;
    if job.run_id is not null then
        update public.job_runs as r set error = jobs.error_text(fail.error) where r.id = job.run_id;
    end if;
    return 'retry';
end
$$;
comment on function jobs.fail(jobs.queue, text) is
'Burns an attempt: back to wait with exponential backoff, or dead after the last one.';

create function jobs.backoff(kind jobs.kinds, failures integer)
returns interval
language sql
volatile
set search_path = ''
as $$
    -- between half and the whole, so that what failed together does not return together
    select make_interval(secs => (
        least(kind.max_backoff_seconds, kind.backoff_seconds * power(2::numeric, least(failures - 1, 30)))
        * (0.5 + random() / 2)::numeric
    )::double precision);
$$;
comment on function jobs.backoff(jobs.kinds, integer) is 'How long to wait after so many failures: doubled each time, bounded, with jitter.';

create function edge.fail_job(id bigint, lease bigint, error text)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    return case when v_job.id is null then 'lease_lost' else jobs.fail(v_job, error) end;
end
$$;
comment on function edge.fail_job(bigint, bigint, text) is
'Reports a failure; answers retry, dead or lease_lost. Definer because the worker may not write the queue.';
