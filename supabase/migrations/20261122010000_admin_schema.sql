-- What admins do across all other domains.

set lock_timeout = '5s';

create schema admin;
comment on schema admin is 'Internals of administration: whatever admins see and do with the domains below. Closed to clients.';

create function admin.require_admin()
returns public.profiles
language plpgsql
stable
set search_path = ''
as $$
declare
    v_caller public.profiles := identity.require_profile();
begin
    if v_caller.role not in ('admin', 'super_admin') then
        perform core.fail('forbidden', 'Only admins may do this.');
    end if;
    return v_caller;
end
$$;
comment on function admin.require_admin() is
'Who is calling, if it is an admin in the database, whatever the token says. Every admin RPC starts with it.';
