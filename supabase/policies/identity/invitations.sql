revoke all on table public.invitations from anon, authenticated, service_role, edge_service;

alter table public.invitations enable row level security;
alter table public.invitations force row level security;

create policy select_admin on public.invitations
for select to authenticated
using (
    organization_id = any (array(
        select m.organization_id from public.memberships as m
        where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
    ))
);
comment on policy select_admin on public.invitations is
'Owners and admins see whom their organization invited; the guest has the link.';

grant select on table public.invitations to authenticated, service_role;
