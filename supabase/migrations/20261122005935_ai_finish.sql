-- What the edge reports of a call that it leads.

set lock_timeout = '5s';

create function edge.renew_completion(request_id uuid, lease interval)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform core.valid(request_id is not null, 'request_id', 'given');
    perform core.valid(lease is not null, 'lease', 'given');
    perform core.valid(lease between interval '1 second' and interval '1 minute', 'lease', 'from 1 s to 1 min');
    update ai.requests as r
    set lease_until = clock_timestamp() + lease
    where
        r.id = renew_completion.request_id and r.outcome = 'under_way'
        -- Far beyond any deadline: others shall not follow for ever.
        and r.created_at > clock_timestamp() - interval '10 minutes';
    return found;
end
$$;
comment on function edge.renew_completion(uuid, interval) is
'The edge lives and still waits for the provider. False: it was taken for dead, or has been waiting for ten minutes. Definer because requests are closed to the edge''s role.';

create function ai.lock_request(request_id uuid)
returns ai.requests
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_request ai.requests;
begin
    perform core.valid(request_id is not null, 'request_id', 'given');
    -- The person first, as everywhere: a deletion is before this or after it.
    perform from public.profiles as p
    where p.id = (select r.user_id from ai.requests as r where r.id = lock_request.request_id)
    for share;
    select r.* into v_request from ai.requests as r where r.id = lock_request.request_id for no key update;
    if not found then
        perform core.fail('not_found', 'There is no such request.', '{"field": "request_id"}');
    end if;
    return v_request;
end
$$;
comment on function ai.lock_request(uuid) is 'A request that nobody else ends before this transaction does.';

create function ai.correct(request ai.requests, bill ai.bill, lost integer)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_lost bigint := lost * request.worst_cost_micros;
begin
    if request.outcome <> 'abandoned' or request.reason <> 'lease_ran_out' then
        return;
    end if;
    update ai.requests as r
    set
        reason = 'came_back', is_assumed = bill.is_assumed, input_tokens = bill.input_tokens,
        cached_input_tokens = bill.cached_input_tokens, cache_write_tokens = bill.cache_write_tokens,
        output_tokens = bill.output_tokens, cost_micros = bill.cost_micros, lost_cost_micros = v_lost
    where r.id = request.id;
    perform metering.record_cost(
        request.user_id, 'ai', request.month, bill.cost_micros + v_lost - request.lost_cost_micros
    );
end
$$;
comment on function ai.correct(ai.requests, ai.bill, integer) is
'Whoever was taken for dead comes back with the real cost: it replaces the assumed one. Still it is no call of theirs that counts.';

create function ai.remember(request ai.requests, output text, is_cut boolean)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    if not request.is_stored
        or not exists (select from public.profiles as p where p.id = request.user_id and p.deleted_at is null)
    then
        update ai.requests as r set key = null, prompt = null, output = null where r.id = request.id;
        return;
    end if;
    insert into ai.answers as a (key, request_id, user_id, scope, output, is_cut, fresh_until, expires_at)
    values (
        request.key, request.id, request.user_id, request.scope, remember.output, is_cut,
        now() + request.cache_for, now() + greatest(request.cache_for, request.kept_for)
    )
    on conflict (key) do update
    set
        request_id = excluded.request_id, user_id = excluded.user_id, output = excluded.output,
        is_cut = excluded.is_cut, created_at = excluded.created_at, fresh_until = excluded.fresh_until,
        expires_at = excluded.expires_at;
end
$$;
comment on function ai.remember(ai.requests, text, boolean) is
'Keeps an answer for whoever asks again or waits, unless its person is gone or asked to forget.';

create function ai.settle(request ai.requests, bill ai.bill)
returns public.usage_status
language plpgsql
volatile
set search_path = ''
as $$
begin
    return metering.settle(request.reservation_id, 1, bill.cost_micros);
exception
    when sqlstate 'PT401' or sqlstate 'PT402' or sqlstate 'PT404' or sqlstate 'PT409' then
        -- The hold ended before the call did, and there is no more room or nobody any more: the
        -- money was spent all the same.
        return ai.spent(request, bill.cost_micros);
end
$$;
comment on function ai.settle(ai.requests, ai.bill) is 'Counts the call and its cost; the cost alone where the hold is gone.';

create function ai.spent(request ai.requests, cost_micros bigint)
returns public.usage_status
language plpgsql
volatile
set search_path = ''
as $$
begin
    if cost_micros > 0 then
        perform metering.record_cost(request.user_id, 'ai', request.month, cost_micros);
    end if;
    return case
        when metering.plan_of(request.user_id) is not null then metering.status(request.user_id, 'ai')
    end;
end
$$;
comment on function ai.spent(ai.requests, bigint) is 'Records what no hold covers.';

create function edge.finish_completion(
    request_id uuid,
    output text,
    is_cut boolean,
    tokens jsonb,
    lost integer,
    latency_ms bigint
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_request ai.requests := ai.lock_request(request_id);
    v_bill ai.bill;
    v_status public.usage_status;
begin
    perform core.valid(output is not null, 'output', 'given');
    perform core.valid(output <> '', 'output', 'not empty');
    perform core.valid(is_cut is not null, 'is_cut', 'given');
    perform core.valid(lost is not null, 'lost', 'given');
    perform core.valid(lost between 0 and 3, 'lost', 'from 0 to 3');
    v_bill := ai.bill_of(v_request, tokens, true);

    if v_request.outcome = 'under_way' then
        update ai.requests as r
        set
            outcome = 'answered', ended_at = clock_timestamp(), latency_ms = greatest(finish_completion.latency_ms, 0),
            input_tokens = v_bill.input_tokens, cached_input_tokens = v_bill.cached_input_tokens,
            cache_write_tokens = v_bill.cache_write_tokens, output_tokens = v_bill.output_tokens,
            cost_micros = v_bill.cost_micros, is_assumed = v_bill.is_assumed,
            lost_cost_micros = lost * r.worst_cost_micros,
            output = case when r.prompt is not null then finish_completion.output end
        where r.id = v_request.id;
        perform ai.remember(v_request, output, is_cut);
        v_status := ai.settle(v_request, v_bill);
        if lost > 0 then
            v_status := ai.spent(v_request, lost * v_request.worst_cost_micros);
        end if;
    else
        perform ai.correct(v_request, v_bill, lost);
        v_status := ai.spent(v_request, 0);
    end if;
    return jsonb_build_object(
        'state', 'answered', 'request_id', v_request.id, 'output', output, 'truncated', is_cut, 'cached', false,
        'usage', ai.shown_bill(v_bill), 'limits', to_jsonb(v_status)
    );
end
$$;
comment on function edge.finish_completion(uuid, text, boolean, jsonb, integer, bigint) is
'The provider answered: counted, paid, remembered, logged in one commit. Attempts that were lost before cost what they cost at worst. Repeating it changes nothing; of a call that was taken for dead only the cost is set right.
Definer because all of it is closed to the edge''s role.';

create function edge.fail_completion(
    request_id uuid,
    reason text,
    tokens jsonb,
    lost integer,
    is_declined boolean,
    latency_ms bigint
)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_request ai.requests := ai.lock_request(request_id);
    v_bill ai.bill;
begin
    perform core.valid(reason is not null, 'reason', 'given');
    perform core.valid(lost is not null, 'lost', 'given');
    perform core.valid(lost between 0 and 3, 'lost', 'from 0 to 3');
    perform core.valid(is_declined is not null, 'is_declined', 'given');
    if tokens is not null then
        v_bill := ai.bill_of(v_request, tokens, false);
    else
        v_bill := row (0, 0, 0, 0, 0, false);
    end if;

    if v_request.outcome = 'under_way' then
        update ai.requests as r
        set
            outcome = case when is_declined then 'declined' else 'failed' end, reason = left(fail_completion.reason, 200),
            ended_at = clock_timestamp(), latency_ms = greatest(fail_completion.latency_ms, 0),
            input_tokens = v_bill.input_tokens, cached_input_tokens = v_bill.cached_input_tokens,
            cache_write_tokens = v_bill.cache_write_tokens, output_tokens = v_bill.output_tokens,
            cost_micros = v_bill.cost_micros, is_assumed = v_bill.is_assumed,
            lost_cost_micros = lost * r.worst_cost_micros,
            key = case when r.is_stored then r.key end, prompt = case when r.is_stored then r.prompt end
        where r.id = v_request.id;
        perform ai.release(v_request.reservation_id);
        perform ai.spent(v_request, v_bill.cost_micros + lost * v_request.worst_cost_micros);
    else
        perform ai.correct(v_request, v_bill, lost);
    end if;
end
$$;
comment on function edge.fail_completion(uuid, text, jsonb, integer, boolean, bigint) is
'There is no answer: the hold is released, and what was spent nevertheless is recorded: by the provider''s count, or at worst for each attempt that was lost.
Definer because all of it is closed to the edge''s role.';
