-- Every rate limit in one place, and what it means for whoever is asking.

set lock_timeout = '5s';

create table metering.rate_limits (
    name text constraint rate_limits_pkey primary key,
    rate double precision not null,
    burst integer not null,
    description text not null,
    constraint name_is_snake_case check (name ~ '^[a-z]+(_[a-z]+)*$' and char_length(name) <= 100),
    constraint rate_is_per_second check (core.valid(
        rate > 0 and rate <= 10000, 'rate', 'more than 0 and at most 10000 per second'
    )),
    constraint burst_is_bounded check (core.valid(burst between 1 and 1000000, 'burst', 'from 1 to 1000000')),
    constraint refilled_within_a_year check (core.valid(
        burst / rate <= 31622400, 'burst', 'refilled within 366 days'
    ))
);
comment on table metering.rate_limits is
'How much of what at once (burst), and then how much per second (rate), each person may ask for. An update counts from the next request on; to lift a limit, raise it.';

insert into metering.rate_limits (name, rate, burst, description) values
('api', 50, 600, 'Requests of a person to the edge, whatever they ask for.'),
('ai', 4, 240, 'AI completions asked for.'),
('checkout', 1, 100, 'Orders started at the edge: each asks Stripe for a page.'),
('retry_order', 1, 100, 'Orders paid again at the edge: each may ask Stripe for a page.'),
('subscription', 1, 100, 'Subscriptions started at the edge: each asks Stripe for a page.'),
('billing_portal', 1, 100, 'Visits to the billing portal: each asks Stripe for a page.'),
('export', 1, 60, 'Exports of a project.'),
('usage_keys', 1, 2000, 'Uses counted under an idempotency key: each leaves a row for a month.'),
('checkouts', 1, 200, 'Attempts to pay, however they are started.'),
('organizations', 1 / 60.0, 50, 'Organizations founded.'),
('memberships', 1, 300, 'Changes of organizations and memberships: audited, and most notify somebody.'),
('invitations', 0.1, 100, 'Invitations mailed, renewals too: a stranger''s mailbox pays for each.'),
('projects', 2, 300, 'Projects made or changed.'),
('tasks', 50, 5000, 'Tasks made or changed.'),
('profiles', 1, 100, 'Changes of the own profile.'),
('notifications', 10, 600, 'Notifications marked as read or deleted, by request.');

select audit.track('metering.rate_limits', key => '{name}');

create function metering.rate_limit(name text)
returns metering.rate_limits
language plpgsql
stable
set search_path = ''
as $$
declare
    v_limit metering.rate_limits;
begin
    select r.* into v_limit from metering.rate_limits as r where r.name = rate_limit.name;
    if not found then
        -- Closed rather than open: a limit that somebody deleted must not go unnoticed.
        perform core.valid(false, 'name', 'the name of a rate limit');
    end if;
    return v_limit;
end
$$;
comment on function metering.rate_limit(text) is 'The limit of this name; refuses unknown names.';

create function metering.seconds(wait interval)
returns integer
language sql
immutable
parallel safe
set search_path = ''
return greatest(ceil(extract(epoch from wait)), 1)::integer;
comment on function metering.seconds(interval) is 'For Retry-After: whole seconds, at least one, and rounded up so that whoever waits for them gets in.';

create function metering.rate_state(name text, user_id uuid)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_limit metering.rate_limits;
    v_full_at timestamptz;
    v_available bigint;
begin
    select r.* into v_limit from metering.rate_limits as r where r.name = rate_state.name;
    if not found or user_id is null then
        return null;
    end if;
    select b.full_at into v_full_at from metering.buckets as b where b.key = rate_state.name || ':' || rate_state.user_id;
    v_available := least(greatest(floor(
        v_limit.burst
        - coalesce(extract(epoch from greatest(v_full_at - clock_timestamp(), interval '0')), 0)
        / extract(epoch from metering.step(v_limit.rate))
    ), 0), v_limit.burst);
    return jsonb_build_object(
        'limit', v_limit.name, 'rate', v_limit.rate, 'burst', v_limit.burst, 'available', v_available,
        'retry_after', case
            when v_available > 0 then 0
            else metering.seconds(metering.wait_time(name || ':' || user_id, v_limit.rate, v_limit.burst))
        end
    );
end
$$;
comment on function metering.rate_state(text, uuid) is
'How a person stands with a limit, without taking anything; null if there is no such limit. retry_after in seconds.';
