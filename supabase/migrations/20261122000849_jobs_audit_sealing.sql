-- Every minute the audit log is sealed and has partitions ahead, as a job like any other.

set lock_timeout = '5s';

create function jobs.seal_audit_log(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_partitions integer := audit.create_partitions();
    v_seal audit.seals;
    v_rows integer := 0;
begin
    loop
        v_seal := audit.seal(10000);
        exit when v_seal.id is null;
        v_rows := v_rows + cardinality(v_seal.row_ids);
        -- What a long pause left behind may take several runs.
        exit when cardinality(v_seal.row_ids) < 10000 or clock_timestamp() > now() + interval '30 seconds';
    end loop;

    select s.* into v_seal from audit.seals as s order by s.id desc limit 1;
    raise log 'audit log: seal %, head %', v_seal.id, encode(v_seal.hash, 'hex');
    return jsonb_build_object(
        'partitions', v_partitions, 'rows', v_rows, 'seal', v_seal.id, 'head', encode(v_seal.hash, 'hex')
    );
end
$$;
comment on function jobs.seal_audit_log(jsonb) is
'Seals what is ready and reports the chain''s head: to public.job_runs, and to the server''s log, where whoever rewrites the database does not reach it.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('jobs.seal_audit_log', 'sql', 'jobs.seal_audit_log', 5, 'Seals the audit log, makes its partitions ahead.');

-- The runs may go: every head stays in audit.seals, and in the server's log for as long as that is kept.
insert into jobs.schedules (name, cron, kind, keep_runs) values
('seal_audit_log', '* * * * *', 'jobs.seal_audit_log', '7 days');
