revoke all on table public.organizations from anon, authenticated, service_role, edge_service;

alter table public.organizations enable row level security;
alter table public.organizations force row level security;

create policy select_member on public.organizations
for select to authenticated
using (
    deleted_at is null
    and id = any (array(
        select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
    ))
);
comment on policy select_member on public.organizations is 'Members see their organizations.';

create policy update_admin on public.organizations
for update to authenticated
using (
    deleted_at is null
    and id = any (array(
        select m.organization_id from public.memberships as m
        where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
    ))
)
with check (
    deleted_at is null
    and id = any (array(
        select m.organization_id from public.memberships as m
        where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
    ))
);
comment on policy update_admin on public.organizations is 'Owners and admins rename their organization.';

grant select on table public.organizations to authenticated, service_role;
grant update (name) on table public.organizations to authenticated;
