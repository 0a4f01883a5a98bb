-- Proof by adding up: everything that triggers and constraints keep is computed again from
-- the raw entries.

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
