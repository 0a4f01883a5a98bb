-- The end of an organization: marked, and left by everyone in the same statement, so
-- that every policy and function that asks for a membership follows by itself.

set lock_timeout = '5s';

create function identity.disband_organization()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    delete from public.memberships as m where m.organization_id = new.id;

    update public.invitations as i
    set revoked_at = now()
    where i.organization_id = new.id and i.accepted_at is null and i.revoked_at is null;
    return null;
end
$$;
comment on function identity.disband_organization() is
'Ends memberships and open invitations of an organization that was marked as deleted.
Definer because no client may write them.';

create trigger _400_disband
after update of deleted_at on public.organizations
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function identity.disband_organization();

create function identity.delete_organization(organization_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'owner');
begin
    update public.organizations as o set deleted_at = now() where o.id = v_caller.organization_id;
end
$$;
comment on function identity.delete_organization(uuid) is
'Marks the organization of an owner as deleted. Definer because clients may not set deleted_at.';

create function public.delete_organization(organization_id uuid)
returns void
language sql
volatile
set search_path = ''
return identity.delete_organization(organization_id);
comment on function public.delete_organization(uuid) is
'Owners: delete your organization for everyone in it. Its name in addresses (slug) is never given to anyone else.';
