-- What a token says about its user.

set lock_timeout = '5s';

create function identity.custom_access_token_hook(event jsonb)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles;
    v_claims jsonb;
begin
    select p.* into v_profile
    from public.profiles as p
    where p.id = (event ->> 'user_id')::uuid and p.deleted_at is null;

    if not found then
        return jsonb_build_object('error', jsonb_build_object(
            'http_code', 403, 'message', 'This account no longer exists.'
        ));
    end if;

    v_claims := (event -> 'claims') || jsonb_build_object(
        'user_role', v_profile.role,
        'subscription_tier', v_profile.subscription_tier
    );
    -- Users write their metadata themselves; a token of a megabyte would lock them out of every server.
    if octet_length(v_claims ->> 'user_metadata') > 4096 then
        v_claims := jsonb_set(v_claims, '{user_metadata}', '{}');
    end if;
    return jsonb_set(event, '{claims}', v_claims);
end
$$;
comment on function identity.custom_access_token_hook(jsonb) is
'Called by the auth service before it signs a token: adds role and tier for the app''s display. Decisions read the database instead.
Definer because the auth service may not read profiles.';

create function edge.me()
returns jsonb
language sql
stable
set search_path = ''
begin atomic
    select
        jsonb_build_object(
            'user_id', p.id,
            'email', p.email,
            'name', p.name,
            'role', p.role,
            'subscription_tier', p.subscription_tier
        )
    from identity.require_profile() as p;
end;
comment on function edge.me() is
'The person on whose behalf the edge is acting, as the database knows them. Runs as that user.';
