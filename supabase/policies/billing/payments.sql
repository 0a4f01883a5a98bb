revoke all on table public.payments from anon, authenticated, service_role, edge_service;

alter table public.payments enable row level security;
alter table public.payments force row level security;

create policy select_own_or_admin on public.payments
for select to authenticated
using (
    user_id = (select auth.uid())
    or organization_id = any (array(
        select m.organization_id from public.memberships as m
        where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
    ))
);
comment on policy select_own_or_admin on public.payments is
'Money is seen by whoever pays: the person, or the owners and admins of the organization.';

grant select on table public.payments to authenticated, service_role;
