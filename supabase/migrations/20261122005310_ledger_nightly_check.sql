-- Every night the books are proved, as a job that nobody overlooks if it finds anything.

set lock_timeout = '5s';

create function ledger.check_books(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_found record;
begin
    select count(*) as number, jsonb_agg(distinct c.rule) as rules into v_found from ledger.check() as c;
    if v_found.number > 0 then
        raise log 'ledger: check() found %: %', v_found.number, v_found.rules;
        perform core.fail(
            'invalid_state',
            format('ledger.check() found %s: %s.', v_found.number, v_found.rules),
            jsonb_build_object('found', v_found.number, 'rules', v_found.rules)
        );
    end if;
    return jsonb_build_object(
        'transfers', (select count(*) from ledger.transfers), 'entries', (select count(*) from ledger.entries)
    );
end
$$;
comment on function ledger.check_books(jsonb) is
'ledger.check() as a job: fails if anything is found, which leaves a dead job and a failed run until somebody has looked. The server''s log has it too.';

-- Two attempts: what is broken stays broken, but a statement may also be cut short.
insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('ledger.check', 'sql', 'ledger.check_books', 2, 'Adds everything up again; fails if anything is wrong.');

insert into jobs.schedules (name, cron, kind) values
('check_ledger', '30 2 * * *', 'ledger.check');
