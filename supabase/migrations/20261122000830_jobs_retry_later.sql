-- "Not here yet" is not a failure: it burns no attempt, but patience ends.

set lock_timeout = '5s';

create function jobs.defer(job jobs.queue, reason text, delay interval)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_since timestamptz := coalesce(job.deferred_since, clock_timestamp());
    v_delay interval := least(greatest(coalesce(delay, interval '10 seconds'), interval '0'), interval '1 day');
    v_patience interval;
begin
    select k.patience into v_patience from jobs.kinds as k where k.kind = job.kind;
    if v_patience is null or v_since + v_patience <= clock_timestamp() then
        perform jobs.bury(job, 'dead', format('waited for %s: %s', coalesce(v_patience::text, 'a kind that is gone'), reason), null, interval '90 days');
        return 'dead';
    end if;

    update jobs.queue as q
    set
        state = 'scheduled', run_at = clock_timestamp() + v_delay,
        turn = jobs.turn(clock_timestamp() + v_delay, job.priority),
        deferred_since = v_since, last_error = jobs.error_text(reason), leased_until = null, worker = null
    where q.id = job.id;
    return 'later';
end
$$;
comment on function jobs.defer(jobs.queue, text, interval) is
'Puts a job back to wait for its dependency, or ends it as dead once its kind''s patience is over.';

create function edge.retry_later(id bigint, lease bigint, reason text, delay_seconds double precision)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
begin
    return case
        when v_job.id is null then 'lease_lost'
        else jobs.defer(v_job, reason, make_interval(secs => least(delay_seconds, 86400)))
    end;
end
$$;
comment on function edge.retry_later(bigint, bigint, text, double precision) is
'Reports that a dependency is not here yet; answers later, dead or lease_lost. Definer because the worker may not write the queue.';

create function jobs.not_yet(reason text, delay interval default '10 seconds')
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using errcode = 'JB001', message = reason, detail = delay::text;
end
$$;
comment on function jobs.not_yet(text, interval) is
'Called by the SQL function of a kind when a dependency is not here yet: its work is taken back and the job retried later.';
