-- Finding somebody: every other function for admins takes an id, and people write from an address.

set lock_timeout = '5s';

create type public.admin_person as (
    id uuid,
    email text,
    name text,
    role text,
    plan text,
    created_at timestamptz
);
comment on type public.admin_person is 'A person as admins find them; the plan is the best of their own and their organizations''.';

create function admin.people(email text)
returns setof public.admin_person
language plpgsql
stable
security definer
set search_path = ''
-- The beginning has to be known before the plan is made.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_email text := lower(btrim(email));
begin
    perform admin.require_admin();
    perform core.valid(email is not null, 'email', 'given');
    perform core.valid(char_length(v_email) between 1 and 320, 'email', 'from 1 to 320 characters');
    return query
    select p.id, p.email, p.name, p.role, metering.plan_of(p.id), p.created_at
    from public.profiles as p
    where
        p.email like replace(replace(replace(v_email, '\', '\\'), '%', '\%'), '_', '\_') || '%'
        and p.deleted_at is null
    order by p.email = v_email desc, p.email collate "C", p.id
    limit 20;
end
$$;
comment on function admin.people(text) is
'People whose address begins so. Definer because others see themselves only; checks that the caller is an admin.';

create function public.admin_people(email text)
returns setof public.admin_person
language sql
stable
set search_path = ''
begin atomic
    select
        p.id, p.email, p.name, p.role, p.plan, p.created_at
    from admin.people(admin_people.email) as p;
end;
comment on function public.admin_people(text) is
'Admins: the person with this e-mail address, or the first 20 whose address begins with it. Their ids are what other functions for admins take.';
