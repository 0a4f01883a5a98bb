-- What code, admins and DBAs decide about jobs that are not done.

set lock_timeout = '5s';

create function jobs.cancel(id bigint, reason text)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job jobs.queue;
begin
    select q.* into v_job from jobs.queue as q where q.id = cancel.id for update;
    if not found then
        return false;
    end if;
    perform jobs.bury(v_job, 'cancelled', reason, null, interval '30 days');
    return true;
end
$$;
comment on function jobs.cancel(bigint, text) is
'Takes an unfinished job back, in the caller''s transaction; false if it is finished. A worker that has it loses its lease.';

create function jobs.requeue(id bigint)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job jobs.finished;
begin
    select f.* into v_job from jobs.finished as f where f.id = requeue.id for update;
    if not found then
        update jobs.queue as q
        set state = 'ready', run_at = now(), turn = jobs.turn(now(), q.priority)
        where q.id = requeue.id and q.state = 'scheduled';
        if not found then
            perform jobs.refuse_decision(id);
        end if;
        return id;
    end if;
    if v_job.outcome not in ('dead', 'cancelled') then
        perform core.fail('invalid_state', 'Only dead and cancelled jobs run again.', jsonb_build_object('state', v_job.outcome));
    end if;

    -- The id, its lease counter and its idempotency key live on, so that old workers stay fenced.
    insert into jobs.queue (
        id, state, turn, run_at, kind, payload, priority, unique_key, idempotency_key, run_id, created_at, lease,
        last_error
    )
    overriding system value
    values (
        v_job.id, 'ready', jobs.turn(now(), v_job.priority), now(), v_job.kind, v_job.payload, v_job.priority,
        v_job.unique_key, v_job.idempotency_key, v_job.run_id, v_job.created_at, v_job.lease, v_job.reason
    )
    on conflict (kind, unique_key) where unique_key is not null do nothing;
    if not found then
        perform core.fail(
            'conflict', 'Another unfinished job has the same unique key.',
            jsonb_build_object('unique_key', v_job.unique_key)
        );
    end if;
    delete from jobs.finished as f where f.id = requeue.id;
    update public.job_runs as r set status = 'queued', finished_at = null where r.id = v_job.run_id;
    return id;
end
$$;
comment on function jobs.requeue(bigint) is
'Lets a dead or cancelled job start over, and a scheduled one start now.';

create function jobs.drop(id bigint, reason text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job jobs.queue;
begin
    if coalesce(btrim(drop.reason), '') = '' then
        perform core.fail('validation_failed', 'Say why.', '{"field": "reason", "rule": "not empty"}');
    end if;
    select q.* into v_job from jobs.queue as q where q.id = drop.id for update;
    if found then
        perform jobs.bury(v_job, 'dropped', reason, null, interval '90 days');
        return;
    end if;
    update jobs.finished as f
    set outcome = 'dropped', reason = jobs.error_text(drop.reason || coalesce(' (' || f.outcome || ': ' || f.reason || ')', ''))
    where f.id = drop.id and f.outcome in ('dead', 'cancelled');
    if not found then
        perform jobs.refuse_decision(id);
    end if;
end
$$;
comment on function jobs.drop(bigint, text) is
'Ends an unfinished, dead or cancelled job for good. It stays to be seen, with the reason, until the clean-up.';

create function jobs.refuse_decision(id bigint)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
    v_state text := coalesce(
        (select q.state from jobs.queue as q where q.id = refuse_decision.id),
        (select f.outcome from jobs.finished as f where f.id = refuse_decision.id)
    );
begin
    if v_state is null then
        perform core.fail('not_found', 'There is no such job; done jobs are kept only if their kind says so.');
    end if;
    perform core.fail('invalid_state', 'The job is ' || v_state || '.', jsonb_build_object('state', v_state));
end
$$;
comment on function jobs.refuse_decision(bigint) is 'Says why a decision about this job cannot be taken.';

create view jobs.overview
with (security_invoker = true) as
select
    q.id, q.kind, q.state, q.priority, q.payload, q.unique_key, q.run_at, q.created_at, q.attempts,
    q.lost_leases, q.worker, q.last_error as reason, null::timestamptz as finished_at
from jobs.queue as q
union all
select
    f.id, f.kind, f.outcome, f.priority, f.payload, f.unique_key, null, f.created_at, f.attempts,
    f.lost_leases, null, f.reason, f.finished_at
from jobs.finished as f;
comment on view jobs.overview is 'Every job that is kept, finished or not, in one shape: what scripts/jobs and admin_jobs show.';
