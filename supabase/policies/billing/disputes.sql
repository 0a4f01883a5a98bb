revoke all on table public.disputes from anon, authenticated, service_role, edge_service;

alter table public.disputes enable row level security;
alter table public.disputes force row level security;

create policy select_own_or_admin on public.disputes
for select to authenticated
using (
    user_id = (select auth.uid())
    or organization_id = any (array(
        select m.organization_id from public.memberships as m
        where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
    ))
);
comment on policy select_own_or_admin on public.disputes is
'Money is seen by whoever pays: the person, or the owners and admins of the organization.';

grant select on table public.disputes to authenticated, service_role;
