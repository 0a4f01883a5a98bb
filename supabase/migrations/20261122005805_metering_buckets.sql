-- How fast somebody may ask: a bucket of tokens for each, kept as one timestamp (GCRA).

set lock_timeout = '5s';

-- Unlogged: a crash empties it, which gives everybody a full bucket, and in return a
-- take writes no WAL and waits for no disk. Only the timestamp changes and nothing
-- indexes it, so that updates stay on their page and vacuum has little to do.
create unlogged table metering.buckets (
    key text constraint buckets_pkey primary key,
    full_at timestamptz not null
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table metering.buckets is
'When each bucket will be full again; whoever has no row has a full one. The row lock makes takers of one key queue.
Written by metering.take alone, which also bounds the key: a CHECK here would cost every call.';

create function metering.require_bucket(key text, rate double precision, burst integer, amount integer)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    perform core.valid(key is not null, 'key', 'given');
    perform core.valid(octet_length(key) <= 400, 'key', 'at most 400 bytes');
    perform core.valid(coalesce(rate > 0 and rate <= 10000, false), 'rate', 'more than 0 and at most 10000 per second');
    perform core.valid(coalesce(burst between 1 and 1000000, false), 'burst', 'from 1 to 1000000');
    perform core.valid(burst / rate <= 31622400, 'burst', 'refilled within 366 days');
    perform core.valid(coalesce(amount between 1 and burst, false), 'amount', format('from 1 to %s, the burst', burst));
end
$$;
comment on function metering.require_bucket(text, double precision, integer, integer) is
'Refuses what is no bucket, and to take more at once than it can ever hold.';

create function metering.step(rate double precision)
returns interval
language sql
immutable
parallel safe
set search_path = ''
return make_interval(secs => round(1000000 / rate) / 1000000);
comment on function metering.step(double precision) is
'Until one token comes back, to the microsecond: from here on all is exact, whatever the rate.';

create function metering.take(key text, rate double precision, burst integer, amount integer default 1)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_step interval;
    v_cost interval;
    v_room interval;
begin
    if (
        octet_length(key) <= 400 and rate > 0 and rate <= 10000
        and burst between 1 and 1000000 and burst / rate <= 31622400
        and amount between 1 and burst
    ) is not true then
        perform metering.require_bucket(key, rate, burst, amount);
    end if;
    -- metering.step, without a call.
    v_step := make_interval(secs => round(1000000 / rate) / 1000000);
    v_cost := v_step * amount;
    v_room := v_step * burst;

    -- The clock is read behind the row's lock: whoever waited asks what time it is now.
    insert into metering.buckets as b (key, full_at)
    values (take.key, clock_timestamp() + v_cost)
    on conflict on constraint buckets_pkey do update
    set full_at = least(greatest(b.full_at, clock_timestamp()) + v_cost, clock_timestamp() + v_room)
    where
        b.full_at <= clock_timestamp() + (v_room - v_cost)
        -- Emptier than empty: the clock was set back, or the limit lowered. One is let
        -- through and the bucket is empty from now on, instead of closed until then.
        or b.full_at > clock_timestamp() + v_room + interval '1 minute';
    return found;
end
$$;
comment on function metering.take(text, double precision, integer, integer) is
'Takes so many tokens or none: true if they were there. A bucket holds `burst` and gets `rate` per second; parallel takers never get more.
Its row stays locked to the end of the transaction, so take as late as possible, and commit even if the answer is no.';

create function metering.wait_time(key text, rate double precision, burst integer, amount integer default 1)
returns interval
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_step interval;
    v_full_at timestamptz;
    v_wait interval;
begin
    perform metering.require_bucket(key, rate, burst, amount);
    v_step := metering.step(rate);
    select b.full_at into v_full_at from metering.buckets as b where b.key = wait_time.key;
    v_wait := v_full_at - clock_timestamp() - v_step * (burst - amount);
    -- No row, tokens enough, or the clock was set back: then take lets one through.
    if v_wait is null or v_wait < interval '0' or v_wait > v_step * amount + interval '1 minute' then
        return interval '0';
    end if;
    return v_wait;
end
$$;
comment on function metering.wait_time(text, double precision, integer, integer) is
'How long until metering.take could succeed, if nobody else takes: for Retry-After. Takes nothing.';
