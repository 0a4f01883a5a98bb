revoke all on table public.subscriptions from anon, authenticated, service_role, edge_service;

alter table public.subscriptions enable row level security;
alter table public.subscriptions force row level security;

create policy select_own_or_member on public.subscriptions
for select to authenticated
using (
    user_id = (select auth.uid())
    or organization_id = any (array(
        select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
    ))
);
comment on policy select_own_or_member on public.subscriptions is
'People see their own subscriptions, members that of their organization: it decides what they may do.';

grant select on table public.subscriptions to authenticated, service_role;
