-- Who may change whose membership: nobody grants more than they have, and nobody
-- touches someone who has more. All changes of one organization queue at its row.

set lock_timeout = '5s';

create function identity.rank(role text)
returns integer
language sql
immutable
parallel safe
set search_path = ''
return case role when 'owner' then 3 when 'admin' then 2 when 'member' then 1 end;
comment on function identity.rank(text) is 'Orders the roles of an organization: owner > admin > member. Null for no role.';

create function identity.require_role(organization_id uuid, minimum_role text)
returns public.memberships
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.profiles := identity.lock_profile();
    v_membership public.memberships;
begin
    -- Only a member may queue here: strangers must not hold up an organization.
    perform from public.organizations as o
    where
        o.id = require_role.organization_id
        and exists (
            select from public.memberships as m where m.organization_id = o.id and m.user_id = v_caller.id
        )
    for no key update;

    select m.* into v_membership
    from public.memberships as m
    where m.organization_id = require_role.organization_id and m.user_id = v_caller.id;

    if not found then
        perform core.fail('not_found', 'There is no such organization among yours.');
    end if;
    if identity.rank(v_membership.role) < identity.rank(minimum_role) then
        perform core.fail(
            'forbidden', format('This needs the role %s or more.', minimum_role),
            jsonb_build_object('role', v_membership.role, 'required_role', minimum_role)
        );
    end if;
    return v_membership;
end
$$;
comment on function identity.require_role(uuid, text) is
'Locks the organization and returns the caller''s membership if it has this role or more. Strangers learn nothing: not_found.
Definer because clients cannot lock organizations.';

create function identity.require_rank_over(caller public.memberships, role text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if identity.rank(role) > identity.rank(caller.role) then
        perform core.fail(
            'forbidden', 'Nobody grants or takes away more than they have.',
            jsonb_build_object('role', caller.role, 'required_role', role)
        );
    end if;
end
$$;
comment on function identity.require_rank_over(public.memberships, text) is
'Refuses a caller whose role is lower than the one that is granted, changed or removed.';

create function identity.require_member(organization_id uuid, user_id uuid)
returns public.memberships
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_membership public.memberships;
begin
    select m.* into v_membership
    from public.memberships as m
    where m.organization_id = require_member.organization_id and m.user_id = require_member.user_id;
    if not found then
        perform core.fail('not_found', 'This person is not a member of the organization.');
    end if;
    return v_membership;
end
$$;
comment on function identity.require_member(uuid, uuid) is
'The membership that an admin wants to change. Definer because it is asked by definers only, after require_role.';

create function identity.set_member_role(organization_id uuid, user_id uuid, role text)
returns public.memberships
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'admin');
    v_member public.memberships := identity.require_member(organization_id, user_id);
begin
    perform core.valid(role is not null, 'role', 'given');
    perform identity.require_rank_over(v_caller, v_member.role);
    perform identity.require_rank_over(v_caller, role);

    update public.memberships as m
    set role = set_member_role.role
    where m.organization_id = v_member.organization_id and m.user_id = v_member.user_id
    returning m.* into v_member;
    return v_member;
end
$$;
comment on function identity.set_member_role(uuid, uuid, text) is
'Changes a member''s role within the caller''s own rank. Definer because clients do not write memberships.';

create function identity.remove_member(organization_id uuid, user_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'admin');
    v_member public.memberships := identity.require_member(organization_id, user_id);
begin
    perform identity.require_rank_over(v_caller, v_member.role);

    delete from public.memberships as m
    where m.organization_id = v_member.organization_id and m.user_id = v_member.user_id;
end
$$;
comment on function identity.remove_member(uuid, uuid) is
'Removes a member within the caller''s own rank. Definer because clients do not write memberships.';

create function identity.leave_organization(organization_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'member');
begin
    delete from public.memberships as m
    where m.organization_id = v_caller.organization_id and m.user_id = v_caller.user_id;
end
$$;
comment on function identity.leave_organization(uuid) is
'Ends the caller''s own membership; the last owner stays. Definer because clients do not write memberships.';

create function identity.transfer_ownership(organization_id uuid, user_id uuid)
returns public.memberships
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'owner');
    v_heir public.memberships := identity.require_member(organization_id, user_id);
begin
    if v_heir.user_id = v_caller.user_id then
        perform core.fail('invalid_state', 'You own this organization already.');
    end if;

    update public.memberships as m
    set role = 'owner'
    where m.organization_id = v_heir.organization_id and m.user_id = v_heir.user_id
    returning m.* into v_heir;

    update public.memberships as m
    set role = 'admin'
    where m.organization_id = v_caller.organization_id and m.user_id = v_caller.user_id;
    return v_heir;
end
$$;
comment on function identity.transfer_ownership(uuid, uuid) is
'Makes a member the owner and the caller an admin. Definer because clients do not write memberships.';
