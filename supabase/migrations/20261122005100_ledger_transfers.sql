-- What moved. A transfer holds its lines, and a CHECK that they add up to zero: no trigger
-- to switch off, no later statement to slip in. Entries are these lines, booked.

set lock_timeout = '5s';

create type ledger.line as (
    account_id bigint,
    amount bigint,
    currency text
);
comment on type ledger.line is 'One account''s part of a transfer: what it gains (positive) or gives (negative), in its currency.';

create function ledger.is_transfer(reference text, lines ledger.line[], description text, metadata jsonb)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
declare
    v_line ledger.line;
    v_before bigint := -9223372036854775808;
    v_sum bigint := 0; -- of at most 1000 times 10^15
    v_currency text := lines[1].currency;
    v_mixed boolean := false;
    v_fault record;
begin
    -- The usual one, from one account to another, in one expression.
    if (
        reference !~ '[^!-~]' and octet_length(reference) between 1 and 200
        and description is null and metadata = '{}'
        and cardinality(lines) = 2 and lines[1].account_id < lines[2].account_id
        and lines[1].amount = -lines[2].amount and lines[1].currency = lines[2].currency
        and abs(lines[1].amount) between 1 and 1000000000000000
    ) is true then
        return true;
    end if;

    -- Every posting pays for each expression, so whatever is fine is asked in one.
    if (
        reference !~ '[^!-~]' and octet_length(reference) between 1 and 200
        and (description is null or core.is_one_line(description, 200))
        and jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 8192
        and cardinality(lines) between 2 and 1000
    ) is not true then
        perform core.valid(
            reference !~ '[^!-~]' and octet_length(reference) between 1 and 200,
            'reference', '1 to 200 visible ASCII characters'
        );
        perform core.valid(core.is_one_line(description, 200), 'description', 'one line of 1 to 200 characters');
        perform core.valid(core.is_small_object(metadata, 8192), 'metadata', 'a JSON object of at most 8 KB');
        perform core.valid(cardinality(lines) between 2 and 1000, 'lines', 'of 2 to 1000 accounts');
        return false;
    end if;

    foreach v_line in array lines loop
        if (
            v_line.amount between -1000000000000000 and 1000000000000000 and v_line.amount <> 0
            and v_line.account_id > v_before and v_line.currency is not null
        ) is not true then
            perform core.valid(
                (v_line.amount between -1000000000000000 and 1000000000000000 and v_line.amount <> 0) is true,
                'amount', 'from 1 to 10^15 minor units, either way'
            );
            perform core.valid(v_line.currency is not null, 'currency', 'given');
            return core.valid(false, 'lines', 'of one account each, in the order of their ids');
        end if;
        v_sum := v_sum + v_line.amount;
        v_mixed := v_mixed or v_line.currency <> v_currency;
        v_before := v_line.account_id;
    end loop;
    if v_sum = 0 and not v_mixed then
        return true;
    end if;

    select l.currency, sum(l.amount) as amount into v_fault
    from unnest(lines) as l
    group by l.currency
    having sum(l.amount) <> 0
    order by l.currency
    limit 1;
    if found then
        raise exception using
            errcode = 'PT422',
            message = 'validation_failed',
            detail = jsonb_build_object(
                'field', 'lines', 'rule', 'adding up to zero in each currency',
                'currency', v_fault.currency, 'sum', v_fault.amount
            )::text,
            hint = 'What some accounts gain, others have to give.';
    end if;
    return true;
end
$$;
comment on function ledger.is_transfer(text, ledger.line[], text, jsonb) is
'The body of a CHECK, typed like core.valid: says what it is, and has two lines or more, one account each, adding up to zero in each currency.';

create table ledger.transfers (
    id bigint generated always as identity constraint transfers_pkey primary key,
    reference text not null,
    description text,
    metadata jsonb not null default '{}',
    lines ledger.line[] not null,
    reverses bigint constraint reverses_a_transfer references ledger.transfers (id),
    posted_at timestamptz not null default now(),
    constraint one_transfer_per_reference unique (reference),
    -- One for everything: Postgres parses and plans each CHECK again for each posting.
    constraint described_and_adding_up_to_zero check (
        ledger.is_transfer(reference, lines, description, metadata)
    )
);
comment on table ledger.transfers is 'Append-only. What was moved once, under the reference that its cause gave it.';
comment on column ledger.transfers.reverses is 'The transfer that this one takes back, as a whole and once.';

create unique index reversed_once on ledger.transfers (reverses) where reverses is not null;

create table ledger.entries (
    transfer_id bigint not null,
    line integer not null,
    account_id bigint not null,
    place bigint not null,
    amount bigint not null,
    balance bigint,
    currency text not null,
    -- Deferrable, because then Postgres knows no `on conflict do nothing` here: it would
    -- book an entry and drop it.
    constraint entries_pkey primary key (transfer_id, line) deferrable
);
comment on table ledger.entries is
'Append-only. Each line of each transfer, booked; inserted by triggers. No foreign keys: the triggers ask for transfer and account, which never go, and a key would lock the row of a busy account for every entry.';
comment on column ledger.entries.line is 'Its index among the lines of the transfer.';
comment on column ledger.entries.place is
'Orders an account''s statement. Where a balance is kept 1, 2, 3 and so on without a gap; else the id of the transfer.';
comment on column ledger.entries.amount is 'Signed minor units, exact in any JSON reader: positive is what the account gains.';
comment on column ledger.entries.balance is 'What the account held after this entry, where a balance is kept.';

-- Statements are read along these. Two, because the halves of the statement view must not
-- scan one another's accounts.
create unique index one_entry_at_a_place on ledger.entries (account_id, place) where balance is not null;
create index entries_of_busy_accounts on ledger.entries (account_id, place) where balance is null;

create function ledger.book_transfer()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if new.reverses is not null then -- by itself, because a condition with a query costs one
        if new.lines <> (
            select array_agg(row(l.account_id, -l.amount, l.currency)::ledger.line order by l.account_id)
            from ledger.transfers as t cross join unnest(t.lines) as l
            where t.id = new.reverses
        ) then
            perform core.fail('forbidden', 'A reversal takes back every line of one transfer and nothing else.');
        end if;
    end if;

    -- In the order of the lines, which is how everybody locks accounts.
    insert into ledger.entries (transfer_id, line, account_id, amount, currency)
    select new.id, l.line, l.account_id, l.amount, l.currency
    from unnest(new.lines) with ordinality as l (account_id, amount, currency, line);
    return null;
end
$$;
comment on function ledger.book_transfer() is 'Every transfer gets the entries of its lines, whoever inserts it.';

create trigger _200_book
after insert on ledger.transfers
for each row
execute function ledger.book_transfer();

create trigger _100_refuse_rewriting
before update or delete or truncate on ledger.transfers
for each statement
execute function audit.refuse('The ledger is append-only. Post the opposite: ledger.reverse.');

create trigger _100_refuse_rewriting
before update or delete or truncate on ledger.entries
for each statement
execute function audit.refuse('The ledger is append-only. Post the opposite: ledger.reverse.');

-- Also when ordinary triggers are off (session_replication_role).
alter table ledger.transfers enable always trigger _100_refuse_rewriting;
alter table ledger.entries enable always trigger _100_refuse_rewriting;
