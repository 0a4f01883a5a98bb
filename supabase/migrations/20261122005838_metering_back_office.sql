-- For trusted code only. Whoever can release a hold works for free, so no client may.

set lock_timeout = '5s';

create function metering.reserve_usage(
    user_id uuid,
    action text,
    amount bigint,
    idempotency_key text,
    expires_in_seconds integer,
    cost_micros bigint
)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform core.valid(user_id is not null, 'user_id', 'given');
    perform core.valid(expires_in_seconds is not null, 'expires_in_seconds', 'given');
    perform core.valid(expires_in_seconds between 1 and 3600, 'expires_in_seconds', 'from 1 to 3600');
    return metering.reserve(
        user_id, action, amount, cost_micros, make_interval(secs => expires_in_seconds), idempotency_key
    );
end
$$;
comment on function metering.reserve_usage(uuid, text, bigint, text, integer, bigint) is
'Holds an amount for a person. Definer because nobody else may write usage.';

create function public.reserve_usage(
    user_id uuid,
    action text,
    amount bigint default 1,
    idempotency_key text default null,
    expires_in_seconds integer default 300,
    cost_micros bigint default 0
)
returns uuid
language sql
volatile
set search_path = ''
return metering.reserve_usage(user_id, action, amount, idempotency_key, expires_in_seconds, cost_micros);
comment on function public.reserve_usage(uuid, text, bigint, text, integer, bigint) is
'Back offices: hold an amount of an action, and what it may cost at worst, before the work. Returns the reservation, which ends by itself after at most an hour.';

create function metering.settle_usage(reservation_id uuid, amount bigint, cost_micros bigint)
returns public.usage_status
language sql
volatile
security definer
set search_path = ''
as $$
    select metering.settle(
        reservation_id,
        coalesce(amount, (
            select r.amount from metering.reservations as r where r.id = settle_usage.reservation_id
        )),
        cost_micros
    );
$$;
comment on function metering.settle_usage(uuid, bigint, bigint) is
'Counts what was held, or less. Definer because nobody else may write usage.';

create function public.settle_usage(
    reservation_id uuid,
    amount bigint default null,
    cost_micros bigint default 0
)
returns public.usage_status
language sql
volatile
set search_path = ''
return metering.settle_usage(reservation_id, amount, cost_micros);
comment on function public.settle_usage(uuid, bigint, bigint) is
'Back offices: the work was done and took so much (or all) of what was held, and cost so much. Returns where the person stands.';

create function metering.release_usage(reservation_id uuid)
returns void
language sql
volatile
security definer
set search_path = ''
as $$
    select metering.release(reservation_id);
$$;
comment on function metering.release_usage(uuid) is
'Gives back what was held. Definer because nobody else may write usage.';

create function public.release_usage(reservation_id uuid)
returns void
language sql
volatile
set search_path = ''
return metering.release_usage(reservation_id);
comment on function public.release_usage(uuid) is 'Back offices: the work was not done; give back what was held for it.';
