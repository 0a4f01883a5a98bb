-- Proof by adding up: everything that triggers and constraints keep is computed again from
-- the raw entries, for whoever owns the tables can switch triggers off.

set lock_timeout = '5s';

create view ledger.sums with (security_invoker = true) as
select
    e.account_id,
    sum(e.amount) as amount,
    count(*) as entries
from ledger.entries as e
group by e.account_id;
comment on view ledger.sums is 'What the entries of each account really add up to.';

create function ledger.check_transfers()
returns table (rule text, account_id bigint, transfer_id bigint, detail jsonb)
language sql
stable
set search_path = ''
as $$
    select 'transfer_adds_up_to_zero', null::bigint, e.transfer_id,
        jsonb_build_object('currency', e.currency, 'sum', sum(e.amount))
    from ledger.entries as e
    group by e.transfer_id, e.currency
    having sum(e.amount) <> 0
    union all
    select 'entries_are_the_lines_of_the_transfer', coalesce(e.account_id, l.account_id), coalesce(e.transfer_id, l.id),
        jsonb_build_object('line', coalesce(e.line, l.line), 'posted', l.amount, 'booked', e.amount)
    from ledger.entries as e
    full join (
        select t.id, l.line, l.account_id, l.amount, l.currency
        from ledger.transfers as t
        cross join unnest(t.lines) with ordinality as l (account_id, amount, currency, line)
    ) as l on l.id = e.transfer_id and l.line = e.line
    where (e.account_id, e.amount, e.currency) is distinct from (l.account_id, l.amount, l.currency)
    union all
    select 'reversal_is_the_opposite', null, t.id,
        jsonb_build_object('reference', t.reference, 'reverses', t.reverses)
    from ledger.transfers as t
    left join ledger.transfers as o on o.id = t.reverses
    where t.reverses is not null and o.lines is distinct from array(
        select row(l.account_id, -l.amount, l.currency)::ledger.line from unnest(t.lines) as l
    );
$$;
comment on function ledger.check_transfers() is 'The part of ledger.check that looks at each transfer.';

create function ledger.check_accounts()
returns table (rule text, account_id bigint, transfer_id bigint, detail jsonb)
language sql
stable
set search_path = ''
as $$
    select 'entry_has_an_account', e.account_id, e.transfer_id, '{}'::jsonb
    from ledger.entries as e
    where not exists (select from ledger.accounts as a where a.id = e.account_id)
    union all
    select 'entry_has_the_accounts_currency', e.account_id, e.transfer_id,
        jsonb_build_object('entry', e.currency, 'account', a.currency)
    from ledger.entries as e
    join ledger.accounts as a on a.id = e.account_id
    where a.currency <> e.currency
    union all
    select 'account_has_a_total_of_its_rules', coalesce(a.id, t.account_id), null, to_jsonb(t)
    from ledger.accounts as a
    full join ledger.totals as t on t.account_id = a.id
    where
        (a.currency, a.may_go_negative, a.keeps_balance)
        is distinct from (t.currency, t.may_go_negative, t.keeps_balance)
    union all
    select 'balance_is_the_sum_of_entries', t.account_id, null,
        jsonb_build_object(
            'balance', t.amount + coalesce(d.amount, 0), 'sum', coalesce(s.amount, 0),
            'counted', t.entries + coalesce(d.entries, 0), 'entries', coalesce(s.entries, 0)
        )
    from ledger.totals as t
    left join ledger.sums as s on s.account_id = t.account_id
    left join (
        select d.account_id, sum(d.amount) as amount, count(*) as entries from ledger.deltas as d group by d.account_id
    ) as d on d.account_id = t.account_id
    where
        t.amount + coalesce(d.amount, 0) <> coalesce(s.amount, 0)
        or t.entries + coalesce(d.entries, 0) <> coalesce(s.entries, 0)
    union all
    select 'balance_is_not_below_zero', a.id, null, jsonb_build_object('sum', s.amount)
    from ledger.accounts as a
    join ledger.sums as s on s.account_id = a.id
    where not a.may_go_negative and s.amount < 0
    union all
    select 'entry_continues_the_statement', e.account_id, e.transfer_id,
        jsonb_build_object('place', e.place, 'balance', e.balance, 'expected_place', e.number, 'expected_balance', e.sum)
    from (
        select
            e.account_id, e.transfer_id, e.place, e.balance,
            row_number() over statement as number,
            sum(e.amount) over statement as sum
        from ledger.entries as e
        join ledger.accounts as a on a.id = e.account_id and a.keeps_balance
        window statement as (partition by e.account_id order by e.place)
    ) as e
    where (e.place, e.balance) is distinct from (e.number, e.sum)
    union all
    select 'entry_continues_the_statement', e.account_id, e.transfer_id,
        jsonb_build_object('place', e.place, 'balance', e.balance, 'expected_place', e.transfer_id)
    from ledger.entries as e
    join ledger.accounts as a on a.id = e.account_id and not a.keeps_balance
    where (e.place, e.balance) is distinct from (e.transfer_id, null)
    union all
    select 'delta_is_an_entry_of_a_busy_account', d.account_id, d.transfer_id, jsonb_build_object('amount', d.amount)
    from ledger.deltas as d
    where not exists (
        select from ledger.entries as e
        join ledger.accounts as a on a.id = e.account_id and not a.keeps_balance
        where
            e.account_id = d.account_id and e.place = d.transfer_id and e.amount = d.amount
    );
$$;
comment on function ledger.check_accounts() is 'The part of ledger.check that looks at each account.';

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
        ('ledger.accounts', 'owner_kind_is_snake_case', 'c'),
        ('ledger.accounts', 'owner_id_is_one_line', 'c'),
        ('ledger.accounts', 'name_is_snake_case', 'c'),
        ('ledger.accounts', 'currency_is_iso_4217', 'c'),
        ('ledger.accounts', 'only_a_kept_balance_can_be_guarded', 'c'),
        ('ledger.accounts', 'sign_of_id_says_whether_a_balance_is_kept', 'c'),
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

create function ledger.check()
returns table (rule text, account_id bigint, transfer_id bigint, detail jsonb)
language sql
stable
set search_path = ''
as $$
    select c.rule, c.account_id, c.transfer_id, c.detail from ledger.check_transfers() as c
    union all
    select c.rule, c.account_id, c.transfer_id, c.detail from ledger.check_accounts() as c
    union all
    select c.rule, c.account_id, c.transfer_id, c.detail from ledger.check_guards() as c
    union all
    select c.rule, c.account_id, c.transfer_id, c.detail from ledger.check_constraints() as c;
$$;
comment on function ledger.check() is
'Every rule that is broken, where and how; nothing when all is well. Reads the whole ledger, under one snapshot, and locks nothing.
It cannot see a forgery that rewrote entries, totals and statements alike: only a copy kept elsewhere can.';

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
