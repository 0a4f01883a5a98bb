-- Auth and profile change in one transaction: a user without a profile cannot exist,
-- nor a profile with yesterday's address.

set lock_timeout = '5s';

create function identity.name_from_metadata(metadata jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
    -- Metadata is whatever the client or the provider sent; a bad name must not stop a sign-up.
    select c.cleaned
    from unnest(array['name', 'full_name']) with ordinality as k (key, place)
    cross join lateral (
        select left(btrim(core.without_hidden(left(metadata ->> k.key, 1000))), 200) as cleaned
    ) as c
    where jsonb_typeof(metadata -> k.key) = 'string' and core.is_one_line(c.cleaned, 200)
    order by k.place
    limit 1;
$$;
comment on function identity.name_from_metadata(jsonb) is
'The name that a new user brought along, cut to what a profile accepts, or null.';

create function identity.create_profile()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    insert into public.profiles (id, email, name)
    values (new.id, new.email, identity.name_from_metadata(new.raw_user_meta_data));
    return null;
end
$$;
comment on function identity.create_profile() is
'Makes the profile of a new auth user. Definer because the auth service may not write profiles.';

create function identity.follow_email()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    update public.profiles as p
    set email = new.email
    where p.id = new.id and p.deleted_at is null;
    return null;
end
$$;
comment on function identity.follow_email() is
'Carries a confirmed change of address into the profile. Definer because the auth service may not write profiles.';

create trigger _100_create_profile
after insert on auth.users
for each row
execute function identity.create_profile();

create trigger _200_follow_email
after update of email on auth.users
for each row
when (old.email is distinct from new.email)
execute function identity.follow_email();
