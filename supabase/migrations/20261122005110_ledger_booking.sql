-- Booking: an entry, whoever inserts it, adds to its account's total in the same
-- statement, or leaves a delta where entries must not wait for one another.

set lock_timeout = '5s';

create table ledger.deltas (
    account_id bigint not null,
    transfer_id bigint not null,
    amount bigint not null,
    constraint deltas_pkey primary key (account_id, transfer_id)
) with (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
comment on table ledger.deltas is
'Entries of accounts without a kept balance that are not in their total yet. Deleting them is what adds them to it.';

create function ledger.book_entry()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    -- And no line is larger than 10^15, so that no sum overflows.
    v_most constant bigint := 9200000000000000000;
    v_total ledger.totals;
begin
    loop
        -- One statement asks everything: account, currency, bounds, and that the entry is a
        -- line of its transfer.
        if new.account_id > 0 then
            update ledger.totals as t
            set amount = t.amount + new.amount, entries = t.entries + 1
            from ledger.transfers as x
            where
                t.account_id = new.account_id and t.keeps_balance and t.currency = new.currency
                and x.id = new.transfer_id
                and x.lines[new.line] *= row(new.account_id, new.amount, new.currency)::ledger.line
                and t.amount + new.amount between case when t.may_go_negative then -v_most else 0 end and v_most
            returning t.entries, t.amount into new.place, new.balance;
        else
            -- Nobody is locked here, so the bound leaves as much again for what is not rolled up yet.
            insert into ledger.deltas (account_id, transfer_id, amount)
            select t.account_id, new.transfer_id, new.amount
            from ledger.totals as t
            cross join ledger.transfers as x
            where
                t.account_id = new.account_id and not t.keeps_balance and t.currency = new.currency
                and x.id = new.transfer_id
                and x.lines[new.line] *= row(new.account_id, new.amount, new.currency)::ledger.line
                and t.amount between -v_most / 2 and v_most / 2;
            new.place := new.transfer_id;
            new.balance := null;
        end if;
        if found then
            return new;
        end if;

        if not exists (
            select from ledger.transfers as x
            where
                x.id = new.transfer_id
                and x.lines[new.line] = row(new.account_id, new.amount, new.currency)::ledger.line
        ) then
            perform core.fail('forbidden', 'Entries are the lines of their transfer. Post a transfer.');
        end if;
        select t.* into v_total from ledger.totals as t where t.account_id = new.account_id for no key update;
        if not found then
            perform core.fail('not_found', 'There is no such account.', jsonb_build_object('account', new.account_id));
        elsif v_total.currency is distinct from new.currency then
            perform core.fail(
                'validation_failed', 'The account holds another currency.',
                jsonb_build_object(
                    'field', 'currency', 'rule', 'that of the account',
                    'account', new.account_id, 'currency', v_total.currency
                )
            );
        elsif not v_total.keeps_balance or abs(v_total.amount + new.amount) > v_most then
            perform core.fail(
                'invalid_state', 'The balance would be larger than a balance can be.',
                jsonb_build_object('account', new.account_id, 'balance', v_total.amount, 'amount', new.amount)
            );
        elsif not v_total.may_go_negative and v_total.amount + new.amount < 0 then
            perform core.fail(
                'invalid_state', 'The account does not hold enough.',
                jsonb_build_object('account', new.account_id, 'balance', v_total.amount, 'needed', -new.amount)
            );
        end if;
        -- Somebody made it possible meanwhile. The row is locked now: once more, and it is done.
    end loop;
end
$$;
comment on function ledger.book_entry() is
'Adds an entry to its account''s total, or refuses it: no line of its transfer, unknown account, other currency, overdraft, overflow.';

create trigger _100_book
before insert on ledger.entries
for each row
execute function ledger.book_entry();

create trigger _100_refuse_forgery
before insert on ledger.deltas
for each statement
when (pg_trigger_depth() = 0)
execute function audit.refuse('Deltas follow the entries. Post a transfer.');

create trigger _110_refuse_change
before update or truncate on ledger.deltas
for each statement
execute function audit.refuse('Deltas are deleted, which adds them to their total.');

alter table ledger.deltas enable always trigger _110_refuse_change;
