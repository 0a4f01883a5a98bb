-- Old months may go, the chain stays: a DBA retires the oldest month, exports the table that this
-- leaves behind, and drops it. All seals stay, so that the export can be proven by them for ever.
--
-- A logical restore carries the chain along if it copies audit.log and audit.seals as they are, with
-- triggers off, and sets the sequence of audit.log.id. Sealing goes on where the server's transaction
-- ids are beyond the last seal's; audit.seal refuses elsewhere.

set lock_timeout = '5s';

create function audit.retire_month(month date)
returns bigint
language plpgsql
volatile
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    v_month timestamp := date_trunc('month', month::timestamp);
    v_name text := to_char(v_month, '"log_"YYYY_MM');
    v_oldest text;
    v_verdict audit.verdict;
    v_ids int8multirange;
    v_first record;
    v_last record;
    v_from_seal bigint;
    v_seal bigint;
begin
    perform core.valid(month is not null, 'month', 'given');
    select min(c.relname::text) into v_oldest
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on i.inhrelid = c.oid
    where i.inhparent = 'audit.log'::regclass and c.relname ~ '^log_[0-9]{4}_[0-9]{2}$';
    if v_oldest is distinct from v_name then
        perform core.fail('invalid_state', 'Months are retired oldest first.', jsonb_build_object('rule', 'oldest_first', 'oldest', v_oldest));
    end if;
    if (v_month + interval '1 month') at time zone 'UTC' > now() then
        perform core.fail('invalid_state', 'This month is not over.', jsonb_build_object('rule', 'month_is_over'));
    end if;

    -- Waits for whoever began in that month and still writes.
    execute format('lock table audit.%I in share mode', v_name);
    v_verdict := audit.verify();
    if v_verdict.finding <> 'ok' then
        perform core.fail('invalid_state', 'The log is not as it was sealed.', jsonb_build_object('rule', 'log_is_proven', 'finding', v_verdict.finding));
    end if;

    execute format('select coalesce(range_agg(int8range(l.id, l.id + 1)), ''{}'') from audit.%I as l', v_name) into v_ids;
    execute format('select l.transaction_id, l.id from audit.%I as l order by l.transaction_id, l.id limit 1', v_name)
    into v_first;
    execute format('select l.transaction_id, l.id from audit.%I as l order by l.transaction_id desc, l.id desc limit 1', v_name)
    into v_last;
    if not isempty(v_ids) then
        select
            min(s.id) filter (where (s.through_transaction, s.through_id) >= (v_first.transaction_id, v_first.id)),
            min(s.id) filter (where (s.through_transaction, s.through_id) >= (v_last.transaction_id, v_last.id))
        into v_from_seal, v_seal
        from audit.seals as s;
        if v_seal is null then
            perform core.fail('invalid_state', 'Seal the log first.', jsonb_build_object('rule', 'month_is_sealed'));
        end if;
    end if;

    -- What this month says of months before it is said again, or their rows would be missed with it.
    insert into audit.actions (action, detail)
    select 'retire_month', l.changes
    from audit.log as l
    where l.tableoid = format('audit.%I', v_name)::regclass and l.action = 'retire_month' and l.table_name is null
    order by l.id;

    insert into audit.actions (action, detail)
    select
        'retire_month',
        jsonb_build_object(
            'partition', v_name, 'at', audit.instant(now()), 'by', coalesce(c.actor, c.user_id::text, c.database_role),
            'rows', r.row_count, 'ids', v_ids, 'from_seal', v_from_seal, 'through_seal', v_seal, 'digest', r.digest
        )
    from audit.context as c
    cross join audit.sealed_rows(v_ids, v_from_seal, v_seal) as r;
    execute format('alter table audit.log detach partition audit.%I', v_name);
    return v_seal;
end
$$;
comment on function audit.retire_month(date) is
'For DBAs: takes the oldest month out of the log once it is over, sealed and proven, and records that. Its table stays under its name to be exported and dropped. Returns the last seal that covers a row of it; audit.verify no longer misses exactly these rows, lists the month, and is content once the record of it is sealed.';
