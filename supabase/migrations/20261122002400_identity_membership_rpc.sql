-- The membership functions as clients call them.

set lock_timeout = '5s';

create function public.set_member_role(organization_id uuid, user_id uuid, role text)
returns public.memberships
language sql
volatile
set search_path = ''
return identity.set_member_role(organization_id, user_id, role);
comment on function public.set_member_role(uuid, uuid, text) is
'Admins and owners: change a member''s role, never above or over your own. Returns the membership.';

create function public.remove_member(organization_id uuid, user_id uuid)
returns void
language sql
volatile
set search_path = ''
return identity.remove_member(organization_id, user_id);
comment on function public.remove_member(uuid, uuid) is
'Admins and owners: remove a member whose role is not above yours.';

create function public.leave_organization(organization_id uuid)
returns void
language sql
volatile
set search_path = ''
return identity.leave_organization(organization_id);
comment on function public.leave_organization(uuid) is
'Leave an organization. Its last owner transfers the ownership first.';

create function public.transfer_ownership(organization_id uuid, user_id uuid)
returns public.memberships
language sql
volatile
set search_path = ''
return identity.transfer_ownership(organization_id, user_id);
comment on function public.transfer_ownership(uuid, uuid) is
'Owners: make another member the owner and become an admin. Returns the new owner''s membership.';

create function identity.organization_members(organization_id uuid)
returns table (user_id uuid, name text, email text, role text, joined_at timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
    select m.user_id, p.name, p.email, m.role, m.created_at
    from public.memberships as m
    join public.profiles as p on p.id = m.user_id
    where
        m.organization_id = organization_members.organization_id
        and m.organization_id = any (array(select identity.my_organization_ids()))
    order by identity.rank(m.role) desc, m.created_at;
$$;
comment on function identity.organization_members(uuid) is
'The people of one of the caller''s organizations. Definer because members may see each other''s name and address only there.';

create function public.organization_members(organization_id uuid)
returns table (user_id uuid, name text, email text, role text, joined_at timestamptz)
language sql
stable
set search_path = ''
begin atomic
    select m.user_id, m.name, m.email, m.role, m.joined_at
    from identity.organization_members(organization_members.organization_id) as m;
end;
comment on function public.organization_members(uuid) is
'Members: who belongs to your organization, with names and addresses. Empty for organizations that are not yours.';
