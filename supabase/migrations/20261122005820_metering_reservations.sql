-- Room that is taken before the work and given back or used up after it.
--
--   held ----> settled    the work was done: what it really took is counted
--    |  \---> released   it was not
--    +-----> expired     nobody said so in time; still settled if there is room, or released
--
-- Whoever changes a reservation has locked its row of usage first, so that no two wait for
-- each other.

set lock_timeout = '5s';

create function metering.is_reservation(
    amount bigint,
    cost_micros bigint,
    status text,
    created_at timestamptz,
    expires_at timestamptz,
    idempotency_key text,
    settled_amount bigint,
    settled_cost_micros bigint,
    ended_at timestamptz
)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
    perform core.valid(amount between 1 and 1000000, 'amount', 'from 1 to 1000000');
    perform core.valid(cost_micros between 0 and 1000000000000, 'cost_micros', 'from 0 to 1000000000000');
    perform core.valid(
        expires_at between created_at + interval '1 second' and created_at + interval '1 hour',
        'expires_in', 'from 1 second to 1 hour'
    );
    perform core.valid(
        core.is_one_line(idempotency_key, 200), 'idempotency_key', 'one line of 1 to 200 characters'
    );
    perform core.valid(settled_amount between 0 and amount, 'amount', 'from 0 to what was reserved');
    perform core.valid(settled_cost_micros between 0 and 1000000000000, 'cost_micros', 'from 0 to 1000000000000');
    return
        status in ('held', 'settled', 'released', 'expired')
        and (status = 'held') = (ended_at is null)
        and (status = 'settled') = (settled_amount is not null)
        and (status = 'settled') = (settled_cost_micros is not null);
end
$$;
comment on function metering.is_reservation(
    bigint, bigint, text, timestamptz, timestamptz, text, bigint, bigint, timestamptz
) is
'The rules of metering.reservations: bounded, for an hour at most, held until it ends, and settled for something within it.';

create table metering.reservations (
    id uuid constraint reservations_pkey primary key default gen_random_uuid(),
    -- No foreign keys, as in usage.
    user_id uuid not null,
    action text not null,
    month date not null,
    amount bigint not null,
    cost_micros bigint not null,
    status text not null default 'held',
    created_at timestamptz not null,
    expires_at timestamptz not null,
    idempotency_key text,
    settled_amount bigint,
    settled_cost_micros bigint,
    ended_at timestamptz,
    constraint key_names_one_reservation unique (user_id, idempotency_key),
    -- One, that calls a function: Postgres parses each again for every statement.
    constraint reservation_is_bounded_and_ends_once check (metering.is_reservation(
        amount, cost_micros, status, created_at, expires_at, idempotency_key,
        settled_amount, settled_cost_micros, ended_at
    ))
);
comment on table metering.reservations is
'Holds on usage, each of the month in which it was made. None lasts longer than an hour, whoever forgets it.';
comment on column metering.reservations.settled_cost_micros is 'What it really cost, which may be more than was held.';

create index reservations_held on metering.reservations (user_id, action, month, expires_at)
where status = 'held';
create index reservations_expiring on metering.reservations (expires_at) where status = 'held';
create index reservations_by_age on metering.reservations (created_at);

create trigger _100_refuse_other_contents
before update on metering.reservations
for each row
when (
    (old.id, old.user_id, old.action, old.month, old.amount, old.cost_micros, old.created_at, old.expires_at)
    is distinct from
    (new.id, new.user_id, new.action, new.month, new.amount, new.cost_micros, new.created_at, new.expires_at)
)
execute function core.refuse_change('A reservation stays what it is, until it ends.');

create trigger _110_refuse_another_end
before update on metering.reservations
for each row
when (
    (old.status in ('settled', 'released') or (old.status = 'expired' and new.status = 'held'))
    and (old.status, old.settled_amount, old.settled_cost_micros)
    is distinct from (new.status, new.settled_amount, new.settled_cost_micros)
)
execute function core.refuse_change('A reservation that was settled or released stays so.');
