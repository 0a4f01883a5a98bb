-- Jobs whose work is SQL: work and completion are one transaction, so that no crash
-- can come between them.

set lock_timeout = '5s';

create function edge.run_job(id bigint, lease bigint)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_function text;
    v_result jsonb;
    v_error text;
    v_delay text;
    v_state text;
    v_hint text;
begin
    if v_job.id is null then
        return 'lease_lost';
    end if;
    select k.sql_function into v_function from jobs.kinds as k where k.kind = v_job.kind and k.handler = 'sql';
    if v_function is null then
        return jobs.fail(v_job, 'This kind has no SQL function.');
    end if;

    begin
        execute format('select %I.%I($1)', split_part(v_function, '.', 1), split_part(v_function, '.', 2))
        into v_result using v_job.payload;
    exception
        when sqlstate 'JB001' then
            get stacked diagnostics v_error = message_text, v_delay = pg_exception_detail;
            return jobs.defer(v_job, v_error, v_delay::interval);
        when others then
            get stacked diagnostics
                v_error = message_text, v_state = returned_sqlstate, v_hint = pg_exception_hint;
            return jobs.fail(v_job, concat_ws(' ', v_state || ':', v_error, nullif(v_hint, '')));
    end;

    perform jobs.finish(id, lease, v_result);
    return 'done';
end
$$;
comment on function edge.run_job(bigint, bigint) is
'Does the work of a SQL job and ends it in one transaction; answers done, retry, later, dead or lease_lost. Definer because the worker may neither do the work nor end the job itself.';

create function edge.reap()
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue;
    v_kind jobs.kinds;
    v_again integer := 0;
    v_dead integer := 0;
    v_delay interval;
begin
    for v_job in
        select q.* from jobs.queue as q
        where q.state = 'running' and q.leased_until < clock_timestamp()
        order by q.leased_until
        limit 1000
        for update skip locked
    loop
        select k.* into v_kind from jobs.kinds as k where k.kind = v_job.kind;
        v_job.lost_leases := v_job.lost_leases + 1;
        if v_kind.kind is null then
            perform jobs.bury(v_job, 'dead', 'Nobody declares this kind any more.', null, interval '90 days');
            v_dead := v_dead + 1;
        elsif v_job.lost_leases >= v_kind.max_lost_leases then
            perform jobs.bury(
                v_job, 'dead', format('%s workers vanished while they had this job', v_job.lost_leases), null,
                interval '90 days'
            );
            v_dead := v_dead + 1;
        else
            -- Once or twice is an accident of the worker; from the third time on it may be the job.
            v_delay := case when v_job.lost_leases > 2 then jobs.backoff(v_kind, v_job.lost_leases - 2) else '0' end;
            update jobs.queue as q
            set
                state = 'scheduled', run_at = clock_timestamp() + v_delay, lost_leases = v_job.lost_leases,
                turn = least(q.turn, clock_timestamp()) + v_delay, leased_until = null, worker = null,
                last_error = jobs.error_text(format('worker %s vanished', q.worker))
            where q.id = v_job.id;
            v_again := v_again + 1;
        end if;
    end loop;
    return jsonb_build_object('again', v_again, 'dead', v_dead);
end
$$;
comment on function edge.reap() is
'Lets jobs run again whose lease expired, since their worker is gone. Any worker calls it, all of them may. Definer because the worker may not write the queue.';
