revoke all on table public.profiles from anon, authenticated, service_role, edge_service;

alter table public.profiles enable row level security;
alter table public.profiles force row level security;

create policy select_own on public.profiles
for select to authenticated
using (id = (select auth.uid()) and deleted_at is null);
comment on policy select_own on public.profiles is
'People see their own profile; fellow members are listed by organization_members.';

create policy update_own on public.profiles
for update to authenticated
using (id = (select auth.uid()) and deleted_at is null)
with check (
    id = (select auth.uid())
    and deleted_at is null
    and role = (select p.role from identity.my_profile() as p)
    and subscription_tier = (select p.subscription_tier from identity.my_profile() as p)
    and email is not distinct from (select p.email from identity.my_profile() as p)
);
comment on policy update_own on public.profiles is
'People rename themselves. Role, tier and address must stay what the database has, even if a grant were too wide.';

grant select on table public.profiles to authenticated, service_role;
grant update (name) on table public.profiles to authenticated;
