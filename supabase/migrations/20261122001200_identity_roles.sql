-- user < admin < super_admin. Only super admins hand out roles, and one always remains.

set lock_timeout = '5s';

create function identity.keep_a_super_admin()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    -- Locked, because two super admins who demote each other at once would each see the other one.
    perform from public.profiles as p
    where p.role = 'super_admin' and p.deleted_at is null and p.id <> old.id
    order by p.id
    for share;
    if not found then
        perform core.fail('invalid_state', 'Appoint another super admin first.', '{"rule": "a_super_admin_remains"}');
    end if;
    return new;
end
$$;
comment on function identity.keep_a_super_admin() is
'Refuses the demotion of the last super admin, whoever tries. Definer because it must see every profile.';

create trigger _300_keep_a_super_admin
before update of role on public.profiles
for each row
when (old.role = 'super_admin' and new.role <> 'super_admin')
execute function identity.keep_a_super_admin();

create index profiles_super_admins on public.profiles (id) where role = 'super_admin';

create function identity.lock_super_admins(together_with uuid)
returns void
language sql
volatile
security definer
set search_path = ''
as $$
    select from public.profiles as p
    where p.role = 'super_admin' or p.id = together_with
    order by p.id
    for no key update;
$$;
comment on function identity.lock_super_admins(uuid) is
'Queues all changes of super admins, in one order, so that they neither overtake nor deadlock each other.
Definer because clients cannot lock profiles.';

create function identity.admin_set_role(user_id uuid, role text)
returns public.profiles
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.profiles;
    v_profile public.profiles;
begin
    -- Before the caller's role is read: a demotion under way must count.
    if (identity.require_profile()).role = 'super_admin' then
        perform identity.lock_super_admins(user_id);
    end if;
    v_caller := identity.require_profile();
    if v_caller.role <> 'super_admin' then
        perform core.fail('forbidden', 'Only super admins set roles.');
    end if;
    perform core.valid(role is not null, 'role', 'given');

    update public.profiles as p
    set role = admin_set_role.role
    where p.id = user_id and p.deleted_at is null
    returning p.* into v_profile;

    if not found then
        perform core.fail('not_found', 'There is no such user.');
    end if;
    return v_profile;
end
$$;
comment on function identity.admin_set_role(uuid, text) is
'Sets a person''s role on behalf of a super admin. Definer because nobody else may write that column.';

create function public.admin_set_role(user_id uuid, role text)
returns public.profiles
language sql
volatile
set search_path = ''
return identity.admin_set_role(user_id, role);
comment on function public.admin_set_role(uuid, text) is
'Super admins: make a user a user, admin or super_admin. Returns the profile.';
