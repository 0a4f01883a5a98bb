-- What clients call: count something, and see where they stand.

set lock_timeout = '5s';

create function metering.consume_once(
    operation text,
    request jsonb,
    action text,
    amount bigint,
    idempotency_key text
)
returns public.usage_status
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_user_id uuid := (select auth.uid());
    v_first jsonb;
    v_status public.usage_status;
begin
    if v_user_id is null then
        perform core.fail('not_authenticated', 'Sign in first.');
    elsif idempotency_key is null then
        return metering.consume(v_user_id, action, amount);
    end if;

    -- Not for somebody who is gone: their first results are gone too.
    perform metering.limits_of(v_user_id, action);
    v_first := core.recall(v_user_id, operation, idempotency_key, request);
    if v_first is not null then
        return jsonb_populate_record(null::public.usage_status, v_first);
    end if;
    v_status := metering.consume(v_user_id, action, amount);
    perform core.remember(v_user_id, operation, idempotency_key, to_jsonb(v_status));
    -- Where the plan has no limit, nothing else bounds how many keys are kept.
    perform metering.limit_rate('usage_keys');
    return v_status;
end
$$;
comment on function metering.consume_once(text, jsonb, text, bigint, text) is
'Counts for the caller. The same operation, key and request counts once and returns what it returned first.';

create function metering.consume_usage(action text, amount bigint, idempotency_key text)
returns public.usage_status
language sql
volatile
security definer
set search_path = ''
as $$
    select metering.consume_once(
        'consume_usage', jsonb_build_object('action', action, 'amount', amount), action, amount, idempotency_key
    );
$$;
comment on function metering.consume_usage(text, bigint, text) is
'Counts what the caller did. Definer because nobody else may write usage.';

create function public.consume_usage(action text, amount bigint default 1, idempotency_key text default null)
returns public.usage_status
language sql
volatile
set search_path = ''
return metering.consume_usage(action, amount, idempotency_key);
comment on function public.consume_usage(text, bigint, text) is
'Count something that your plan limits, or be refused with quota_exceeded. Returns where you stand. The same idempotency key counts once.';

create function metering.my_usage()
returns setof public.usage_status
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.require_profile();
    v_month date := metering.month_of(now());
begin
    return query
    select s.*
    from metering.limits as l
    left join public.usage as u on l.user_id = u.user_id and l.action = u.action and u.month = v_month
    cross join lateral metering.status_of(l, u, v_month) as s
    where l.user_id = v_profile.id
    order by l.action;
end
$$;
comment on function metering.my_usage() is
'Where the caller stands with every action. Definer because it reads limits and holds, which no client may, for the caller alone.';

create function public.my_usage()
returns setof public.usage_status
language sql
stable
set search_path = ''
begin atomic
    select
        u.action, u.name, u.plan, u.month, u.used, u.held, u.soft_limit, u.hard_limit, u.remaining,
        u.over_soft_limit, u.cost_micros, u.cost_limit_micros, u.resets_at
    from metering.my_usage() as u;
end;
comment on function public.my_usage() is
'Where you stand this month with everything that is limited: used, held, what remains, and when it begins anew.';
