-- What keeps the books is there and on: whoever owns the tables can switch triggers off
-- and drop constraints.

set lock_timeout = '5s';

create function ledger.check_guards()
returns table (rule text, account_id bigint, transfer_id bigint, detail jsonb)
language sql
stable
set search_path = ''
as $$
    select 'guard_is_on', null::bigint, null::bigint, jsonb_build_object('table', g.table_name, 'trigger', g.name)
    from (
        values
        ('ledger.accounts', '_100_number', 'O'),
        ('ledger.accounts', '_100_refuse_change', 'A'),
        ('ledger.accounts', '_110_refuse_deletion', 'A'),
        ('ledger.accounts', '_200_open_total', 'O'),
        ('ledger.totals', '_100_refuse_forgery', 'O'),
        ('ledger.totals', '_110_refuse_deletion', 'A'),
        ('ledger.transfers', '_100_refuse_rewriting', 'A'),
        ('ledger.transfers', '_200_book', 'O'),
        ('ledger.entries', '_100_book', 'O'),
        ('ledger.entries', '_100_refuse_rewriting', 'A'),
        ('ledger.deltas', '_100_refuse_forgery', 'O'),
        ('ledger.deltas', '_110_refuse_change', 'A'),
        ('ledger.deltas', '_200_add_to_totals', 'O')
    ) as g (table_name, name, enabled)
    where not exists (
        select from pg_trigger as t
        where t.tgrelid = to_regclass(g.table_name) and t.tgname = g.name and t.tgenabled::text = g.enabled
    );
$$;
comment on function ledger.check_guards() is 'The part of ledger.check that looks for triggers that somebody switched off or dropped.';

create function ledger.check_constraints()
returns table (rule text, account_id bigint, transfer_id bigint, detail jsonb)
language sql
stable
set search_path = ''
as $$
    select 'constraint_is_kept', null::bigint, null::bigint, jsonb_build_object('table', g.table_name, 'constraint', g.name)
    from (
        values
        ('ledger.accounts', 'accounts_pkey', 'p'),
        ('ledger.accounts', 'one_account_of_a_name_and_currency', 'u'),
        ('ledger.accounts', 'rules_of_an_account', 'u'),
        ('ledger.accounts', 'whose_and_what_it_is', 'c'),
        ('ledger.totals', 'totals_pkey', 'p'),
        ('ledger.totals', 'rules_are_those_of_the_account', 'f'),
        ('ledger.totals', 'no_overdraft', 'c'),
        ('ledger.transfers', 'transfers_pkey', 'p'),
        ('ledger.transfers', 'one_transfer_per_reference', 'u'),
        ('ledger.transfers', 'reverses_a_transfer', 'f'),
        ('ledger.transfers', 'described_and_adding_up_to_zero', 'c'),
        ('ledger.entries', 'entries_pkey', 'p'),
        ('ledger.deltas', 'deltas_pkey', 'p')
    ) as g (table_name, name, kind)
    where not exists (
        select from pg_constraint as c
        left join pg_index as i on i.indexrelid = c.conindid and i.indrelid = c.conrelid
        where
            c.conrelid = to_regclass(g.table_name) and c.conname = g.name and c.contype::text = g.kind
            and c.convalidated and i.indisvalid is not false
            -- Foreign and deferrable keys are kept by triggers, which a superuser can switch off.
            and not exists (select from pg_trigger as t where t.tgconstraint = c.oid and t.tgenabled <> 'O')
    )
    union all
    select 'constraint_is_kept', null, null, jsonb_build_object('table', g.table_name, 'index', g.name)
    from (
        values
        ('ledger.transfers', 'ledger.reversed_once'),
        ('ledger.entries', 'ledger.one_entry_at_a_place')
    ) as g (table_name, name)
    where not exists (
        select from pg_index as i
        where
            i.indexrelid = to_regclass(g.name) and i.indrelid = to_regclass(g.table_name)
            and i.indisunique and i.indisvalid and i.indisready
    );
$$;
comment on function ledger.check_constraints() is
'The part of ledger.check that looks for constraints that somebody dropped, switched off or never validated. By name: it does not see that one says something else now.';
