-- Roll-ups: deltas of busy accounts are deleted, and deleting them is what adds them to
-- their total. What commits late is simply in the next one.

set lock_timeout = '5s';

create function ledger.add_to_totals()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_sum record;
begin
    for v_sum in
        select d.account_id, sum(d.amount) as amount, count(*) as entries
        from old_deltas as d
        group by d.account_id
        order by d.account_id
    loop
        update ledger.totals as t
        set amount = t.amount + v_sum.amount, entries = t.entries + v_sum.entries
        where t.account_id = v_sum.account_id;
    end loop;
    return null;
end
$$;
comment on function ledger.add_to_totals() is
'Adds deleted deltas to their totals, whoever deletes them; accounts in the order of their ids.';

create trigger _200_add_to_totals
after delete on ledger.deltas
referencing old table as old_deltas
for each statement
execute function ledger.add_to_totals();

create function ledger.roll_up(payload jsonb default '{}')
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_batch integer := coalesce((payload ->> 'batch')::integer, 100000);
    v_entries integer;
begin
    -- Bounded, so that a long pause ends in several short transactions instead of a long
    -- one. What another roll-up has locked is left to it.
    delete from ledger.deltas as d
    where d.ctid = any (array(
        select n.ctid from ledger.deltas as n
        order by n.account_id, n.transfer_id
        limit v_batch
        for update skip locked
    ));
    get diagnostics v_entries = row_count;
    if v_entries = v_batch then
        perform jobs.enqueue('ledger.roll_up', roll_up.payload - 'slot');
    end if;
    return jsonb_build_object('entries', v_entries);
end
$$;
comment on function ledger.roll_up(jsonb) is
'Adds what busy accounts gathered to their totals, a batch (of 100000) a job until nothing is left. No posting waits for it, nor it for them.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('ledger.roll_up', 'sql', 'ledger.roll_up', 5, 'Sums up the entries of accounts that keep no balance.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('roll_up_ledger', '* * * * *', 'ledger.roll_up', '7 days');
