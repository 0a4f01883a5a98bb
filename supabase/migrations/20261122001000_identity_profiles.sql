-- One profile per auth user, for everything that the app knows about a person.

set lock_timeout = '5s';

create table public.profiles (
    -- The auth user's id, without a foreign key: the profile outlives its user,
    -- because orders, ledger entries and audit rows must keep an owner.
    id uuid constraint profiles_pkey primary key,
    email text,
    name text,
    role text not null default 'user',
    subscription_tier text not null default 'free',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint name_is_one_line check (core.valid(
        core.is_one_line(name, 200), 'name', 'one line of 1 to 200 characters'
    )),
    constraint role_is_known check (core.valid(
        role in ('user', 'admin', 'super_admin'), 'role', 'user, admin or super_admin'
    )),
    constraint subscription_tier_is_known check (core.valid(
        subscription_tier in ('free', 'pro'), 'subscription_tier', 'free or pro'
    )),
    constraint deleted_profile_is_anonymous check (
        deleted_at is null or (email is null and name is null and role = 'user')
    )
);
comment on table public.profiles is
'One row per auth user, made in the sign-up transaction. Clients read their own row and may write only the name.';
comment on column public.profiles.email is 'Kept in step with auth.users; null for users without one and for deleted users.';
comment on column public.profiles.role is 'Rights inside the product. Decisions read this column, never the claim in a token.';
comment on column public.profiles.subscription_tier is 'Follows the live subscription of the user, in the same transaction.';

-- For whole addresses and for beginnings, whatever the database's collation.
create index profiles_email on public.profiles (email text_pattern_ops);

-- The second wall behind grants and policy: not even a wrong grant lets a client
-- change who it is, what it may do or what it has paid for.
create trigger _100_refuse_self_promotion
before update on public.profiles
for each row
when (
    core.is_api_role()
    and (old.email, old.role, old.subscription_tier, old.deleted_at)
    is distinct from (new.email, new.role, new.subscription_tier, new.deleted_at)
)
execute function core.refuse_change('Only the name of a profile can be changed.');

create trigger _110_refuse_new_identity
before update on public.profiles
for each row
when ((old.id, old.created_at) is distinct from (new.id, new.created_at))
execute function core.refuse_change('A profile keeps its id and its date of creation.');

create trigger _200_touch
before update on public.profiles
for each row
execute function core.touch();

create function identity.my_profile()
returns public.profiles
language sql
stable
security definer
set search_path = ''
as $$
    select p from public.profiles as p where p.id = (select auth.uid()) and p.deleted_at is null;
$$;
comment on function identity.my_profile() is
'The caller''s live profile as the database has it. Definer so that policies on profiles can compare with it without recursion.';

create function identity.lock_profile()
returns public.profiles
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles;
begin
    select p.* into v_profile
    from public.profiles as p
    where p.id = (select auth.uid()) and p.deleted_at is null
    for share;
    if not found then
        perform core.fail('not_authenticated', 'Sign in first.');
    end if;
    return v_profile;
end
$$;
comment on function identity.lock_profile() is
'The caller, who cannot be deleted before this transaction ends. Every RPC that changes something starts with it, so that
neither a visitor nor the still valid token of a deleted person gets further. Definer because clients cannot lock profiles.';

create function identity.require_live_user()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform from public.profiles as p where p.id = new.user_id and p.deleted_at is null for share;
    if not found then
        perform core.fail('not_authenticated', 'This account no longer exists.');
    end if;
    return new;
end
$$;
comment on function identity.require_live_user() is
'Nothing new belongs to a deleted person, whose token may still be valid, also when the deletion is under way.
Definer because clients cannot lock profiles.';

create function identity.require_profile()
returns public.profiles
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.my_profile();
begin
    if v_profile.id is null then
        perform core.fail('not_authenticated', 'Sign in first.');
    end if;
    return v_profile;
end
$$;
comment on function identity.require_profile() is
'Who is asking, for functions that only read. Definer because it reads profiles past their policies, for the caller alone.';
