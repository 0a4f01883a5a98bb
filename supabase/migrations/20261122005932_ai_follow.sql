-- Waiting for an answer that somebody else asked for, without holding anything meanwhile.

set lock_timeout = '5s';

create function ai.abandon(request_id uuid)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_request ai.requests;
begin
    select r.* into v_request
    from ai.requests as r
    where r.id = abandon.request_id and r.outcome = 'under_way' and r.lease_until < clock_timestamp()
    for no key update;
    if not found then
        return false;
    end if;
    update ai.requests as r
    set
        outcome = 'abandoned', reason = 'lease_ran_out', ended_at = clock_timestamp(),
        lost_cost_micros = v_request.worst_cost_micros
    where r.id = v_request.id;
    perform ai.release(v_request.reservation_id);
    perform ai.spent(v_request, v_request.worst_cost_micros);
    return true;
end
$$;
comment on function ai.abandon(uuid) is
'Ends the flight of an edge that died. It is no call that counts; what the provider may have charged is booked at worst.';

create function ai.release(reservation_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform metering.release(reservation_id);
exception
    when sqlstate 'PT404' or sqlstate 'PT409' then
        -- It has ended already: expired, or gone with its person.
        raise log 'ai.release: %', sqlerrm;
end
$$;
comment on function ai.release(uuid) is 'Gives a hold back, however it ended meanwhile.';

create function ai.may_see(scope text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select scope = any (
        array['installation', 'user:' || (select auth.uid())]
        || array(select 'organization:' || o from identity.my_organization_ids() as o)
    );
$$;
comment on function ai.may_see(text) is 'Whether answers of this scope are the caller''s to see, now.';

create function edge.follow_completion(request_id uuid)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_me public.profiles := identity.require_profile();
    v_request ai.requests;
    v_answer ai.answers;
    v_call ai.call;
begin
    perform core.valid(request_id is not null, 'request_id', 'given');
    select r.* into v_request from ai.requests as r where r.id = follow_completion.request_id;
    if not found or not ai.may_see(v_request.scope) then
        perform core.fail('not_found', 'There is no such request.', '{"field": "request_id"}');
    end if;

    if v_request.outcome = 'under_way' then
        if v_request.lease_until >= clock_timestamp() then
            return '{"state": "under_way"}';
        end if;
        perform ai.abandon(v_request.id);
        return '{"state": "gone"}';
    elsif v_request.outcome in ('failed', 'declined') then
        return jsonb_build_object('state', v_request.outcome, 'reason', v_request.reason);
    end if;

    select a.* into v_answer
    from ai.answers as a
    where a.key = v_request.key and a.created_at >= v_request.created_at and a.expires_at > now();
    if not found then
        return '{"state": "gone"}';
    end if;
    v_call.scope := v_request.scope;
    v_call.key := v_request.key;
    v_call.feature.feature := v_request.feature;
    v_call.feature.provider := v_request.provider;
    v_call.feature.model := v_request.model;
    v_call.feature.cache_for := v_request.cache_for;
    v_call.input_bound := v_request.input_bound;
    v_call.output_bound := v_request.output_bound;
    v_call.worst_cost_micros := v_request.worst_cost_micros;
    return ai.given_again(v_me.id, v_call, v_answer, 'followed');
end
$$;
comment on function edge.follow_completion(uuid) is
'What became of a flight: under_way, answered, failed, declined, or gone (then start again: its edge died, or the answer was forgotten).
Definer because requests are closed to clients; answers go to whoever may see their scope.';
