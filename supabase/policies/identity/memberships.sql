revoke all on table public.memberships from anon, authenticated, service_role, edge_service;

alter table public.memberships enable row level security;
alter table public.memberships force row level security;

-- The own rows come first: policies of other tables ask for nothing else, and then
-- the second branch is never evaluated.
create policy select_member on public.memberships
for select to authenticated
using (
    user_id = (select auth.uid())
    or organization_id = any (array(select identity.my_organization_ids()))
);
comment on policy select_member on public.memberships is 'Members see who else belongs to their organizations.';

grant select on table public.memberships to authenticated, service_role;
