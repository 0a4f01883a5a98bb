-- Anyone signed in may found an organization and is its first owner.

set lock_timeout = '5s';

create function identity.slug_from_name(name text)
returns text
language sql
immutable
set search_path = ''
as $$
    -- Names in other scripts leave nothing to build a slug from; they get a random one.
    select case when char_length(s.slug) >= 2 then s.slug end
    from (
        select btrim(left(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), 50), '-') as slug
    ) as s;
$$;
comment on function identity.slug_from_name(text) is 'A URL-safe word for a name, or null where there is none.';

create function identity.free_slug(name text)
returns text
language sql
volatile
set search_path = ''
as $$
    select case
        when s.slug is not null
            and not exists (select from public.organizations as o where o.slug = s.slug)
            then s.slug
        else concat_ws('-', s.slug, substr(replace(gen_random_uuid()::text, '-', ''), 1, 8))
    end
    from (select identity.slug_from_name(name) as slug) as s;
$$;
comment on function identity.free_slug(text) is 'The slug for a name, with a random ending where it is taken.';

create function identity.create_organization(name text, slug text, idempotency_key text)
returns public.organizations
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.profiles := identity.lock_profile();
    v_first jsonb := core.recall(
        v_caller.id, 'create_organization', idempotency_key, jsonb_build_object('name', name, 'slug', slug)
    );
    v_organization public.organizations;
begin
    if v_first is not null then
        return jsonb_populate_record(null::public.organizations, v_first);
    end if;

    perform core.valid(name is not null, 'name', 'given');
    insert into public.organizations (name, slug)
    values (create_organization.name, coalesce(create_organization.slug, identity.free_slug(create_organization.name)))
    on conflict on constraint slug_is_taken_once do nothing
    returning * into v_organization;

    if v_organization.id is null then
        perform core.fail('conflict', 'This slug is taken. Choose another one.', jsonb_build_object('field', 'slug'));
    end if;

    insert into public.memberships (organization_id, user_id, role)
    values (v_organization.id, v_caller.id, 'owner');

    perform core.remember(v_caller.id, 'create_organization', idempotency_key, to_jsonb(v_organization));
    return v_organization;
end
$$;
comment on function identity.create_organization(text, text, text) is
'Founds an organization with the caller as owner. Definer because clients write neither organizations nor memberships.';

create function public.create_organization(
    name text, slug text default null, idempotency_key text default null
)
returns public.organizations
language sql
volatile
set search_path = ''
return identity.create_organization(name, slug, idempotency_key);
comment on function public.create_organization(text, text, text) is
'Found an organization and be its owner. Without a slug one is made from the name. Repeat with the same idempotency_key to be safe.';
