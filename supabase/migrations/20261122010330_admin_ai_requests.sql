-- What models were asked and what it cost. Never the text.

set lock_timeout = '5s';

create type public.admin_ai_request as (
    id uuid,
    user_id uuid,
    scope text,
    feature text,
    provider text,
    model text,
    outcome text,
    reason text,
    input_tokens bigint,
    cached_input_tokens bigint,
    output_tokens bigint,
    cost_micros bigint,
    assumed boolean,
    lost_cost_micros bigint,
    latency_ms bigint,
    created_at timestamptz,
    ended_at timestamptz
);
comment on type public.admin_ai_request is 'A call of a model as admins see it; cost in millionths of a US dollar.';

create function admin.ai_requests(
    user_id uuid,
    feature text,
    outcome text,
    before timestamptz,
    page_size integer
)
returns setof public.admin_ai_request
language plpgsql
stable
security definer
set search_path = ''
-- Filters that are not asked for must vanish before the plan is made.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    perform admin.require_admin();
    perform core.valid(
        ai_requests.outcome in ('under_way', 'answered', 'hit', 'followed', 'failed', 'declined', 'abandoned'),
        'outcome', 'under_way, answered, hit, followed, failed, declined or abandoned'
    );
    perform core.valid(
        ai_requests.feature is null
        or exists (select from ai.features as f where f.feature = ai_requests.feature)
        or exists (select from ai.requests as r where r.feature = ai_requests.feature),
        'feature', 'the name of a feature'
    );
    return query
    select
        r.id, r.user_id, r.scope, r.feature, r.provider, r.model, r.outcome, r.reason, r.input_tokens,
        r.cached_input_tokens, r.output_tokens, r.cost_micros, r.is_assumed, r.lost_cost_micros, r.latency_ms,
        r.created_at, r.ended_at
    from ai.requests as r
    where
        (ai_requests.user_id is null or r.user_id = ai_requests.user_id)
        and (ai_requests.feature is null or r.feature = ai_requests.feature)
        and (ai_requests.outcome is null or r.outcome = ai_requests.outcome)
        and (ai_requests.before is null or r.created_at < ai_requests.before)
    order by r.created_at desc, r.id
    limit least(greatest(coalesce(page_size, 50), 1), 200);
end
$$;
comment on function admin.ai_requests(uuid, text, text, timestamptz, integer) is
'A page of calls, newest first. Definer because the log is closed; checks that the caller is an admin.';

create function public.admin_ai_requests(
    user_id uuid default null,
    feature text default null,
    outcome text default null,
    before timestamptz default null,
    page_size integer default 50
)
returns setof public.admin_ai_request
language sql
stable
set search_path = ''
begin atomic
    select
        r.id, r.user_id, r.scope, r.feature, r.provider, r.model, r.outcome, r.reason, r.input_tokens,
        r.cached_input_tokens, r.output_tokens, r.cost_micros, r.assumed, r.lost_cost_micros, r.latency_ms,
        r.created_at, r.ended_at
    from admin.ai_requests(
        admin_ai_requests.user_id, admin_ai_requests.feature, admin_ai_requests.outcome,
        admin_ai_requests.before, admin_ai_requests.page_size
    ) as r;
end;
comment on function public.admin_ai_requests(uuid, text, text, timestamptz, integer) is
'Admins: calls of models with tokens, cost, time and outcome, newest first; the next page is `before` the last created_at.';
