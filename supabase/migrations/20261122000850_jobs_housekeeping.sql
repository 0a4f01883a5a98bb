-- The queue cleans up after itself and after core, as jobs of its own.

set lock_timeout = '5s';

create function jobs.clean_up(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_finished integer;
    v_runs integer;
    v_keys integer;
    v_emails integer;
    v_expired integer;
begin
    -- Bounded, so that a long pause ends in several short transactions instead of a long one.
    delete from jobs.finished as f
    where f.id = any (array(select g.id from jobs.finished as g where g.keep_until < now() limit 50000));
    get diagnostics v_finished = row_count;

    delete from public.job_runs as r
    where r.id = any (array(
        select p.id
        from public.job_runs as p
        left join jobs.schedules as s on p.schedule = s.name and p.status = 'done'
        where p.created_at < now() - coalesce(s.keep_runs, interval '400 days')
        limit 50000
    ));
    get diagnostics v_runs = row_count;

    delete from core.idempotency_keys as k where k.created_at < now() - interval '30 days';
    get diagnostics v_keys = row_count;

    v_expired := jobs.end_emails(
        array(
            select e.id from jobs.emails as e
            where e.status = 'queued' and e.created_at < now() - interval '30 days'
            limit 50000
        ),
        'expired', 'Not sent within 30 days.'
    );
    delete from jobs.emails as e
    where e.id = any (array(select f.id from jobs.emails as f where f.created_at < now() - interval '400 days' limit 50000));
    get diagnostics v_emails = row_count;

    if 50000 in (v_finished, v_runs, v_emails, v_expired) then
        perform jobs.enqueue('jobs.clean_up', clean_up.payload - 'slot', now() + interval '10 seconds');
    end if;
    return jsonb_build_object(
        'finished_jobs', v_finished, 'job_runs', v_runs, 'idempotency_keys', v_keys, 'emails', v_emails,
        'expired_emails', v_expired
    );
end
$$;
comment on function jobs.clean_up(jsonb) is
'Deletes finished jobs and runs whose time is over, mails older than 400 days and idempotency keys older than 30 days; expires mails that wait for 30 days.';

create function jobs.reap(payload jsonb)
returns jsonb
language sql
volatile
set search_path = ''
return edge.reap();
comment on function jobs.reap(jsonb) is
'Reaping as a job of its own: every worker reaps anyway, this one leaves a row in public.job_runs that shows that the schedules run.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('jobs.clean_up', 'sql', 'jobs.clean_up', 5, 'Deletes what the queue and core no longer need.'),
('jobs.reap', 'sql', 'jobs.reap', 3, 'Lets jobs of vanished workers run again.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('clean_up', '17 4 * * *', 'jobs.clean_up', '400 days'),
('reap', '*/15 * * * *', 'jobs.reap', '30 days');
