-- What accounts hold, and how it came to be.

set lock_timeout = '5s';

create view ledger.balances with (security_invoker = true) as
select
    a.id as account_id,
    a.owner_kind,
    a.owner_id,
    a.name,
    a.currency,
    (t.amount + coalesce(
        (select sum(d.amount) from ledger.deltas as d where d.account_id = a.id), 0
    ))::bigint as balance
from ledger.accounts as a
inner join ledger.totals as t on a.id = t.account_id;
comment on view ledger.balances is 'What every account holds now, including what is not rolled up yet.';

create view ledger.statement with (security_invoker = true) as
select
    e.account_id,
    e.place,
    t.posted_at,
    t.reference,
    t.description,
    e.currency,
    e.amount,
    e.balance
from (
    select e.account_id, e.transfer_id, e.place, e.currency, e.amount, e.balance
    from ledger.entries as e -- without a condition of its own: those cost it its index
    union all
    -- From today's balance backwards, so that the newest page costs a page.
    select
        e.account_id, e.transfer_id, e.place, e.currency, e.amount,
        (b.balance - coalesce(sum(e.amount) over newer, 0))::bigint as balance
    from ledger.entries as e
    -- Once an account, not once an entry: that is what the limit is for.
    cross join
        lateral (
            select n.balance
            from ledger.balances as n
            where n.account_id = e.account_id
            order by n.account_id
            limit 1
        ) as b
    where e.balance is null
    window newer as (
        partition by e.account_id order by e.place desc
        rows between unbounded preceding and 1 preceding
    )
) as e
inner join ledger.transfers as t on e.transfer_id = t.id
where e.balance is not null;
comment on view ledger.statement is
'Each account''s movements with its balance after each: where account_id = … and place < … order by place desc limit … is the next page.
Entries of busy accounts come in the order of their transfers'' ids; those that were posted at the same time may commit in another.';
