-- One row for each person, action and month: what was done, what is held for work under
-- way, and what it cost.

set lock_timeout = '5s';

create function metering.month_of(moment timestamptz)
returns date
language sql
immutable
parallel safe
set search_path = ''
return date_trunc('month', moment at time zone 'UTC')::date;
comment on function metering.month_of(timestamptz) is 'The first day of the month in UTC, whatever the session''s time zone.';

create function metering.resets_at(month date)
returns timestamptz
language sql
immutable
parallel safe
set search_path = ''
return (month + interval '1 month') at time zone 'UTC';
comment on function metering.resets_at(date) is 'When the next month begins, in UTC.';

create function metering.is_usage(
    month date,
    count bigint,
    held bigint,
    cost_micros bigint,
    held_cost_micros bigint
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return
        count >= 0 and held >= 0 and cost_micros >= 0 and held_cost_micros >= 0
        and extract(day from month) = 1;
end
$$;
comment on function metering.is_usage(date, bigint, bigint, bigint, bigint) is
'The rule of public.usage: nothing below zero, and a month is named by its first day.';

create table public.usage (
    -- No foreign keys: each would lock a row of profiles or actions for the first use of
    -- every month, and everybody's the same row of actions. Whoever writes has looked both up.
    user_id uuid not null,
    action text not null,
    month date not null,
    count bigint not null default 0,
    held bigint not null default 0,
    cost_micros bigint not null default 0,
    held_cost_micros bigint not null default 0,
    warned_at timestamptz,
    constraint usage_pkey primary key (user_id, action, month),
    -- One, that calls a function: Postgres parses each again for every statement.
    constraint usage_of_a_month_is_not_negative check (
        metering.is_usage(month, count, held, cost_micros, held_cost_micros)
    )
) with (fillfactor = 50);
comment on table public.usage is
'What a person used of an action in a month (UTC). Written by functions of metering alone; people read their own.
Half of each page stays free and nothing but the key is indexed, so that counting rewrites one page.';
comment on column public.usage.held is
'Of reservations that are neither settled nor released. Those that expired stay in it for up to a minute, but stand in nobody''s way.';
comment on column public.usage.cost_micros is 'What was spent, in millionths of a US dollar. Facts: may exceed any limit.';
comment on column public.usage.warned_at is 'When the person was told of the soft limit.';

create type public.usage_status as (
    action text,
    name text,
    plan text,
    month date,
    used bigint,
    held bigint,
    soft_limit bigint,
    hard_limit bigint,
    remaining bigint,
    over_soft_limit boolean,
    cost_micros bigint,
    cost_limit_micros bigint,
    resets_at timestamptz
);
comment on type public.usage_status is
'Where a person stands with an action this month. No hard limit and nothing remaining (both null): unlimited.';
