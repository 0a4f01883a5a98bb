-- Asking: what is known is given again, what is under way is followed, and only who is
-- first holds quota and money and asks the provider.
--
-- Order of locks: the person, the flight, then metering. Settling keeps the same.

set lock_timeout = '5s';

create type ai.call as (
    feature ai.features,
    prompt text,
    choices jsonb,
    scope text,
    key bytea,
    input_bound bigint,
    output_bound bigint,
    worst_cost_micros bigint
);
comment on type ai.call is 'All that a call follows from; tokens and micros at worst.';

create function ai.prepared(user_id uuid, feature text, input jsonb, project jsonb, idempotency_key text)
returns ai.call
language plpgsql
stable
set search_path = ''
as $$
declare
    v_feature ai.features := ai.enabled_feature(feature);
    v_model ai.models;
    v_call ai.call;
begin
    perform core.valid(input is not null, 'input', 'given');
    perform core.valid(core.is_small_object(input, 262144), 'input', 'an object of at most 256 kB');
    if input ? 'project_id' then
        if project is null then
            perform core.fail('not_found', 'There is no such project among yours.', '{"field": "project_id"}');
        end if;
        input := (input - 'project_id') || jsonb_build_object('text', project -> 'text');
    end if;
    select m.* into strict v_model
    from ai.models as m
    where m.provider = v_feature.provider and m.model = v_feature.model;

    v_call.feature := v_feature;
    v_call.prompt := ai.rendered(v_feature.template, input);
    v_call.choices := ai.choices_in(input, v_feature.answer_must_be_in);
    v_call.scope := case
        when v_feature.cache_scope = 'installation' then 'installation'
        when v_feature.cache_scope = 'tenant' and project ->> 'organization_id' is not null
            then 'organization:' || (project ->> 'organization_id')
        else 'user:' || user_id
    end;
    v_call.key := sha256(convert_to(
        jsonb_build_array(
            v_call.scope, v_feature.feature, v_feature.provider, v_feature.model, v_feature.parameters,
            v_feature.instructions, v_call.prompt, v_call.choices,
            case when v_feature.cache_for = interval '0' then idempotency_key end
        )::text,
        'UTF8'
    ));
    -- Each token has a byte at least; what the provider wraps around them is a few dozen.
    v_call.input_bound := octet_length(v_feature.instructions) + octet_length(v_call.prompt) + 500
        -- … and the schema of the answer, where it must be one of several: twice what it lists.
        + coalesce(2 * octet_length(v_call.choices::text) + 500, 0);
    v_call.output_bound := (v_feature.parameters ->> 'max_tokens')::bigint;
    v_call.worst_cost_micros := ai.worst_cost(v_model, v_call.input_bound, v_call.output_bound);
    if v_call.input_bound > v_model.up_to_tokens or v_call.worst_cost_micros > v_feature.cost_ceiling_micros then
        perform core.fail(
            'validation_failed', 'This is too much at once. Ask about less.',
            jsonb_build_object(
                'field', 'input', 'rule', 'short enough for what the feature may cost',
                'cost_micros', v_call.worst_cost_micros, 'cost_ceiling_micros', v_feature.cost_ceiling_micros
            )
        );
    end if;
    return v_call;
end
$$;
comment on function ai.prepared(uuid, text, jsonb, jsonb, text) is
'The prompt, whose answer it would be and what it could cost; refuses what would exceed the feature''s ceiling.';

create function ai.given_again(user_id uuid, call ai.call, answer ai.answers, outcome text)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_status public.usage_status := metering.status(user_id, 'ai');
    v_request_id uuid;
begin
    -- Answers are a part of the plan, also those that cost nothing.
    if v_status.hard_limit = 0 then
        perform metering.reserve(user_id, 'ai', 1, 0, interval '1 second', null);
    end if;
    -- The log may lose the last moment of those that cost nothing; they need not wait for the disk.
    perform set_config('synchronous_commit', 'off', true);
    insert into ai.requests (
        user_id, scope, feature, provider, model, key, outcome, input_bound, output_bound, worst_cost_micros,
        cache_for, ended_at
    ) values (
        user_id, call.scope, (call.feature).feature, (call.feature).provider, (call.feature).model, call.key,
        outcome, call.input_bound, call.output_bound, call.worst_cost_micros, (call.feature).cache_for, now()
    )
    returning id into v_request_id;
    return jsonb_build_object(
        'state', 'answered', 'request_id', v_request_id, 'output', answer.output, 'truncated', answer.is_cut, 'cached', true,
        'usage', ai.shown_bill(null), 'limits', to_jsonb(v_status)
    );
end
$$;
comment on function ai.given_again(uuid, ai.call, ai.answers, text) is
'An answer that is there already: logged, and free of charge.';

create function ai.take_off(user_id uuid, call ai.call, lease interval, idempotency_key text)
returns ai.requests
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_request ai.requests;
begin
    insert into ai.requests (
        user_id, scope, feature, provider, model, key, lease_until, input_bound, output_bound,
        worst_cost_micros, cache_for, kept_for, prompt
    ) values (
        user_id, call.scope, (call.feature).feature, (call.feature).provider, (call.feature).model, call.key,
        clock_timestamp() + lease, call.input_bound, call.output_bound, call.worst_cost_micros,
        (call.feature).cache_for,
        case when idempotency_key is null then interval '10 minutes' else interval '1 day' end,
        case when (call.feature).keeps_text then call.prompt end
    )
    on conflict (key) where outcome = 'under_way' do nothing
    returning * into v_request;
    return v_request;
end
$$;
comment on function ai.take_off(uuid, ai.call, interval, text) is
'Makes the caller the one who asks the provider; null if somebody else is, which is known once they have committed.';

create function ai.start_completion(
    feature text,
    input jsonb,
    project jsonb,
    idempotency_key text,
    lease interval
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_me public.profiles := identity.lock_profile();
    v_call ai.call := ai.prepared(v_me.id, feature, input, project, idempotency_key);
    v_first jsonb;
    v_answer ai.answers;
    v_request ai.requests;
begin
    perform core.valid(lease is not null, 'lease', 'given');
    perform core.valid(lease between interval '1 second' and interval '1 minute', 'lease', 'from 1 s to 1 min');
    v_first := core.recall(
        v_me.id, 'ai', idempotency_key, jsonb_build_object('feature', feature, 'input', input)
    );
    if v_first is not null then
        select a.* into v_answer
        from ai.answers as a
        where a.key = decode(v_first ->> 'key', 'hex') and a.expires_at > now();
        if found then
            return ai.given_again(v_me.id, v_call, v_answer, 'hit');
        end if;
    end if;
    perform core.remember(
        v_me.id, 'ai', idempotency_key, jsonb_build_object('key', encode(v_call.key, 'hex'))
    );

    for v_try in 1 .. 5 loop
        select a.* into v_answer from ai.answers as a where a.key = v_call.key and a.fresh_until > now();
        if found then
            return ai.given_again(v_me.id, v_call, v_answer, 'hit');
        end if;
        select r.* into v_request from ai.requests as r where r.key = v_call.key and r.outcome = 'under_way';
        if found then
            return jsonb_build_object('state', 'follow', 'request_id', v_request.id);
        end if;
        v_request := ai.take_off(v_me.id, v_call, lease, idempotency_key);
        if v_request.id is not null then
            -- Answered between the look and the take-off?
            select a.* into v_answer from ai.answers as a where a.key = v_call.key and a.fresh_until > now();
            if found then
                delete from ai.requests as r where r.id = v_request.id;
                return ai.given_again(v_me.id, v_call, v_answer, 'hit');
            end if;
            update ai.requests as r
            set reservation_id = metering.reserve(
                v_me.id, 'ai', 1, v_call.worst_cost_micros, interval '3 minutes', null
            )
            where r.id = v_request.id;
            return jsonb_build_object(
                'state', 'lead', 'request_id', v_request.id, 'provider', (v_call.feature).provider,
                'model', (v_call.feature).model, 'instructions', (v_call.feature).instructions,
                'prompt', v_call.prompt, 'choices', v_call.choices, 'parameters', (v_call.feature).parameters
            );
        end if;
    end loop;
    perform core.fail('provider_unavailable', 'Too many ask the same at once. Try again.');
    return null;
end
$$;
comment on function ai.start_completion(text, jsonb, jsonb, text, interval) is
'Decides in one commit, before anything is spent: an answer that is known, a flight to follow, or a call to lead, with its quota and worst cost held. Definer because clients see none of it.';

create function edge.start_completion(feature text, input jsonb, idempotency_key text, lease interval)
returns jsonb
language sql
volatile
set search_path = ''
begin atomic
    select ai.start_completion(
        start_completion.feature, start_completion.input, ai.visible_project(start_completion.input),
        start_completion.idempotency_key, start_completion.lease
    );
end;
comment on function edge.start_completion(text, jsonb, text, interval) is
'Starts to answer on behalf of the caller, with whose eyes a project is read.';
