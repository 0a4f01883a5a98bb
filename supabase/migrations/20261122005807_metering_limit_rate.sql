-- Who is asking, and the refusal.

set lock_timeout = '5s';

create function metering.trusted_proxies()
returns integer
language sql
immutable
parallel safe
set search_path = ''
return 1;
comment on function metering.trusted_proxies() is
'How many proxies in front of the Data API append to X-Forwarded-For: the address that the outermost of them saw counts, and what a client wrote before it does not. Replace it in a migration if there are more.';

create function metering.address()
returns inet
language plpgsql
stable
set search_path = ''
as $$
declare
    v_hops text[] := regexp_split_to_array(
        nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-forwarded-for', '\s*,\s*'
    );
    v_address text := btrim(v_hops[greatest(cardinality(v_hops) - metering.trusted_proxies() + 1, 1)]);
begin
    if not coalesce(pg_input_is_valid(v_address, 'inet'), false) then
        return null;
    end if;
    -- Who has one address of IPv6 has all 2^64 of its network.
    return case family(v_address::inet)
        when 6 then network(set_masklen(v_address::inet, 64))
        else set_masklen(v_address::inet, 32)
    end;
end
$$;
comment on function metering.address() is
'Where the request came from as the proxies tell, an IPv6 network of 64 bits as one. Null where no proxy tells.';

create function metering.subject()
returns text
language sql
stable
set search_path = ''
return coalesce(
    auth.uid()::text,
    case
        when current_setting('role') in ('anon', 'authenticated')
            then coalesce(host(metering.address()), 'unknown')
    end
);
comment on function metering.subject() is
'Whose bucket: the person, else the address of a visitor (all whose address is unknown share one). Null for whoever has no limits: DBAs, workers, service_role.';

create function metering.refuse_rate(name text, wait interval)
returns void
language sql
stable
set search_path = ''
return core.fail(
    'rate_limited',
    format('Wait %s second%s.', metering.seconds(wait), case when metering.seconds(wait) <> 1 then 's' end),
    jsonb_build_object('limit', name, 'retry_after', metering.seconds(wait)),
    jsonb_build_object('Retry-After', metering.seconds(wait)::text)
);
comment on function metering.refuse_rate(text, interval) is 'Raises rate_limited with Retry-After.';

create function metering.limit_rate(name text, amount integer default 1, subject text default null)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_subject text := coalesce(subject, metering.subject());
    v_limit metering.rate_limits;
    v_key text;
begin
    if v_subject is null then
        return;
    end if;
    v_limit := metering.rate_limit(name);
    perform core.valid(amount is not null, 'amount', 'given');
    perform core.valid(amount <= v_limit.burst, name, format('at most %s at once', v_limit.burst));
    v_key := v_limit.name || ':' || v_subject;
    if not metering.take(v_key, v_limit.rate, v_limit.burst, amount) then
        perform metering.refuse_rate(v_limit.name, metering.wait_time(v_key, v_limit.rate, v_limit.burst, amount));
    end if;
end
$$;
comment on function metering.limit_rate(text, integer, text) is
'Takes from the caller''s bucket of this limit, or raises rate_limited. The refusal takes nothing, and a request that fails later gives its tokens back: its whole transaction does.
Definer because triggers call it for clients, who see no buckets.';

create function edge.take_rate(name text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_subject text := metering.subject();
    v_limit metering.rate_limits;
    v_key text;
    v_name text;
begin
    perform core.valid(name is not null, 'name', 'given');
    if v_subject is null then
        return null;
    end if;
    foreach v_name in array case name when 'api' then array['api'] else array['api', name] end loop
        v_limit := metering.rate_limit(v_name);
        v_key := v_limit.name || ':' || v_subject;
        if not metering.take(v_key, v_limit.rate, v_limit.burst) then
            return jsonb_build_object(
                'limit', v_limit.name,
                'retry_after', metering.seconds(metering.wait_time(v_key, v_limit.rate, v_limit.burst))
            );
        end if;
    end loop;
    return null;
end
$$;
comment on function edge.take_rate(text) is
'Takes one token of `api` and one of this limit, in a transaction of its own, before the request is looked at. Null, or the limit and how many seconds to wait:
an answer and no error, so that what was taken stays taken. Definer because people see no buckets.';
