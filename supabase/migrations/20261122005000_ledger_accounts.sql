-- Whose money it is. An account holds one currency for one owner; its total is what its
-- entries have added up to.
--
-- Amounts are signed minor units: positive is what the account gains, negative what it
-- gives. A balance is what the account holds; where money enters or leaves the system
-- (a payment provider, say), the account's balance is below zero by what came in.

set lock_timeout = '5s';

create schema ledger;
comment on schema ledger is
'Double entry: who holds how much, and every movement that made it so. Knows no people, only the ids of owners; clients never enter.';

create function ledger.is_account(
    id bigint, owner_kind text, owner_id text, name text, currency text,
    may_go_negative boolean, keeps_balance boolean
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    if (
        owner_kind ~ '^[a-z]+(_[a-z]+)*$' and octet_length(owner_kind) <= 50
        and owner_id !~ '[^!-~]' and octet_length(owner_id) between 1 and 200
        and name ~ '^[a-z]+(_[a-z]+)*$' and octet_length(name) <= 50
        and currency ~ '^[A-Z]{3}$' and (keeps_balance or may_go_negative)
    ) is not true then
        perform core.valid(
            owner_kind ~ '^[a-z]+(_[a-z]+)*$' and char_length(owner_kind) <= 50, 'owner_kind', 'snake_case'
        );
        perform core.valid(core.is_one_line(owner_id, 200), 'owner_id', 'one line of 1 to 200 characters');
        perform core.valid(name ~ '^[a-z]+(_[a-z]+)*$' and char_length(name) <= 50, 'name', 'snake_case');
        perform core.valid(currency ~ '^[A-Z]{3}$', 'currency', 'an ISO 4217 code of three capitals');
        perform core.valid(keeps_balance or may_go_negative, 'may_go_negative', 'true where no balance is kept');
    end if;
    return (id > 0) = keeps_balance;
end
$$;
comment on function ledger.is_account(bigint, text, text, text, text, boolean, boolean) is
'The body of a CHECK, typed like core.valid: whose and what an account is, that only a kept balance is guarded, and that the sign of its id says whether it is kept.';

create table ledger.accounts (
    id bigint generated always as identity constraint accounts_pkey primary key,
    owner_kind text not null,
    owner_id text not null,
    name text not null,
    currency text not null,
    may_go_negative boolean not null default false,
    keeps_balance boolean not null default true,
    created_at timestamptz not null default now(),
    constraint one_account_of_a_name_and_currency unique (owner_kind, owner_id, name, currency),
    constraint rules_of_an_account unique (id, currency, may_go_negative, keeps_balance),
    -- One for everything: Postgres parses and plans each CHECK again for each statement.
    constraint whose_and_what_it_is check (
        ledger.is_account(id, owner_kind, owner_id, name, currency, may_go_negative, keeps_balance)
    )
);
comment on table ledger.accounts is 'Opened by ledger.open_account, never closed or deleted, because entries point here for good.';
comment on column ledger.accounts.id is
'Below zero where no balance is kept: whoever books an entry sees how without a look here.';
comment on column ledger.accounts.owner_kind is 'What owner_id is an id of: user, organization, platform, whatever the domains above say.';
comment on column ledger.accounts.may_go_negative is
'Whether it may owe. The only rule that can change; not to false while the balance is below zero.';
comment on column ledger.accounts.keeps_balance is
'True: each entry updates the balance under a lock. False, for the platform''s own busy accounts: no entry waits for another, the balance is summed up later.';

create table ledger.totals (
    account_id bigint not null,
    currency text not null,
    may_go_negative boolean not null,
    keeps_balance boolean not null,
    amount bigint not null default 0,
    entries bigint not null default 0,
    constraint totals_pkey primary key (account_id) include (currency, may_go_negative, keeps_balance),
    constraint rules_are_those_of_the_account foreign key (
        account_id, currency, may_go_negative, keeps_balance
    ) references ledger.accounts (id, currency, may_go_negative, keeps_balance) on update cascade,
    constraint no_overdraft check (may_go_negative or amount >= 0)
) with (
    fillfactor = 50, -- versions of a row stay on its page, and its index untouched
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
comment on table ledger.totals is
'What entries have added up to: with every entry where the account keeps a balance, else with every roll-up. Carries the account''s rules, so that one statement checks and books.';
comment on column ledger.totals.entries is 'How many entries are in amount.';

create function ledger.number_account()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    new.id := -new.id;
    return new;
end
$$;
comment on function ledger.number_account() is 'Accounts without a kept balance get an id below zero, whoever opens them.';

create trigger _100_number
before insert on ledger.accounts
for each row
when (not new.keeps_balance)
execute function ledger.number_account();

create function ledger.open_total()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into ledger.totals (account_id, currency, may_go_negative, keeps_balance)
    values (new.id, new.currency, new.may_go_negative, new.keeps_balance);
    return null;
end
$$;
comment on function ledger.open_total() is 'Every account begins with nothing, whoever opens it.';

create trigger _200_open_total
after insert on ledger.accounts
for each row
execute function ledger.open_total();

create trigger _100_refuse_change
before update on ledger.accounts
for each row
when (
    (old.owner_kind, old.owner_id, old.name) is distinct from (new.owner_kind, new.owner_id, new.name)
    or (old.id, old.currency, old.keeps_balance, old.created_at)
    is distinct from (new.id, new.currency, new.keeps_balance, new.created_at)
)
execute function audit.refuse('An account stays whose and what it is. Open another one.');

create trigger _110_refuse_deletion
before delete or truncate on ledger.accounts
for each statement
execute function audit.refuse('Accounts are not deleted: their entries stay.');

-- At depth 0 the statement was written by somebody and not by a trigger.
create trigger _100_refuse_forgery
before insert or update on ledger.totals
for each statement
when (pg_trigger_depth() = 0)
execute function audit.refuse('Totals follow the entries. Post a transfer.');

create trigger _110_refuse_deletion
before delete or truncate on ledger.totals
for each statement
execute function audit.refuse('Totals follow the entries.');

-- Also when ordinary triggers are off (session_replication_role).
alter table ledger.accounts enable always trigger _100_refuse_change;
alter table ledger.accounts enable always trigger _110_refuse_deletion;
alter table ledger.totals enable always trigger _110_refuse_deletion;

create function ledger.open_account(
    owner_kind text,
    owner_id text,
    name text,
    currency text,
    may_go_negative boolean default false,
    keeps_balance boolean default true
)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_account ledger.accounts;
begin
    if num_nulls(owner_kind, owner_id, name, currency, may_go_negative, keeps_balance) > 0 then
        perform core.valid(owner_kind is not null, 'owner_kind', 'given');
        perform core.valid(owner_id is not null, 'owner_id', 'given');
        perform core.valid(name is not null, 'name', 'given');
        perform core.valid(currency is not null, 'currency', 'given');
        perform core.valid(may_go_negative is not null, 'may_go_negative', 'given');
        perform core.valid(keeps_balance is not null, 'keeps_balance', 'given');
    end if;

    -- The second look finds what a twin opened meanwhile.
    for v_look in 1..2 loop
        select a.* into v_account
        from ledger.accounts as a
        where
            a.owner_kind = open_account.owner_kind and a.owner_id = open_account.owner_id
            and a.name = open_account.name and a.currency = open_account.currency;
        exit when found;

        insert into ledger.accounts as a (owner_kind, owner_id, name, currency, may_go_negative, keeps_balance)
        values (owner_kind, owner_id, name, currency, may_go_negative, keeps_balance)
        on conflict on constraint one_account_of_a_name_and_currency do nothing
        returning a.* into v_account;
        exit when found;
    end loop;

    if (v_account.may_go_negative, v_account.keeps_balance) <> (may_go_negative, keeps_balance) then
        perform core.fail(
            'conflict', 'This account is open already, under other rules.',
            jsonb_build_object('account', v_account.id)
        );
    end if;
    return v_account.id;
end
$$;
comment on function ledger.open_account(text, text, text, text, boolean, boolean) is
'Id of the owner''s account of this name and currency, opened if need be. Other rules than it was opened with are a conflict.';

select audit.track('ledger.accounts', key => '{id}');
