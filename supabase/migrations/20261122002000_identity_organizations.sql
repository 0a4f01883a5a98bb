-- Organizations and who belongs to them.

set lock_timeout = '5s';

create table public.organizations (
    id uuid constraint organizations_pkey primary key default gen_random_uuid(),
    name text not null,
    slug text not null,
    subscription_tier text not null default 'free',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint name_is_one_line check (core.valid(
        core.is_one_line(name, 200), 'name', 'one line of 1 to 200 characters'
    )),
    constraint slug_is_url_safe check (core.valid(
        slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) between 2 and 63,
        'slug', '2 to 63 lower-case letters and digits, in words joined by single hyphens'
    )),
    constraint subscription_tier_is_known check (core.valid(
        subscription_tier in ('free', 'pro'), 'subscription_tier', 'free or pro'
    )),
    -- Also of deleted organizations: an address in the wild must not change hands.
    constraint slug_is_taken_once unique (slug)
);
comment on table public.organizations is
'A tenant that people share. Its members read it, its admins may rename it; it is made by create_organization.';
comment on column public.organizations.subscription_tier is
'Follows the live subscription of the organization, in the same transaction.';

create table public.memberships (
    organization_id uuid not null,
    user_id uuid not null,
    role text not null default 'member',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint memberships_pkey primary key (organization_id, user_id),
    constraint memberships_organization_id_fkey
    foreign key (organization_id) references public.organizations (id),
    constraint memberships_user_id_fkey foreign key (user_id) references public.profiles (id),
    constraint role_is_known check (core.valid(
        role in ('owner', 'admin', 'member'), 'role', 'owner, admin or member'
    ))
);
comment on table public.memberships is
'Who belongs to which organization, as what. Members read it; only the RPC functions write it, under the organization''s lock.';

-- Every policy on shared rows resolves the caller's organizations through this index.
create index memberships_by_user on public.memberships (user_id) include (organization_id, role);

create trigger _100_refuse_new_identity
before update on public.organizations
for each row
when ((old.id, old.created_at) is distinct from (new.id, new.created_at))
execute function core.refuse_change('An organization keeps its id and its date of creation.');

create trigger _110_refuse_self_promotion
before update on public.organizations
for each row
when (
    core.is_api_role()
    and (old.subscription_tier, old.deleted_at) is distinct from (new.subscription_tier, new.deleted_at)
)
execute function core.refuse_change('The tier of an organization follows its subscription.');

create trigger _200_touch
before update on public.organizations
for each row
execute function core.touch();

create trigger _100_refuse_new_parent
before update on public.memberships
for each row
when (
    (old.organization_id, old.user_id, old.created_at)
    is distinct from (new.organization_id, new.user_id, new.created_at)
)
execute function core.refuse_change('A membership keeps its organization and its person.');

create trigger _050_require_live_user
before insert on public.memberships
for each row
execute function identity.require_live_user();

create trigger _200_touch
before update on public.memberships
for each row
execute function core.touch();

create function identity.my_organization_ids()
returns setof uuid
language sql
stable
security definer
rows 10
set search_path = ''
as $$
    select m.organization_id from public.memberships as m where m.user_id = (select auth.uid());
$$;
comment on function identity.my_organization_ids() is
'The caller''s organizations. Definer so that the policy on memberships can ask without asking itself.';
