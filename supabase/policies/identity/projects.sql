revoke all on table public.projects from anon, authenticated, service_role, edge_service;

alter table public.projects enable row level security;
alter table public.projects force row level security;

create policy select_own_or_member on public.projects
for select to authenticated
using (
    deleted_at is null
    and (
        (organization_id is null and user_id = (select auth.uid()))
        or organization_id = any (array(
            select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
        ))
    )
);
comment on policy select_own_or_member on public.projects is
'Private projects are seen by their user, shared ones by every member; who leaves an organization leaves its projects.';

create policy insert_own_or_member on public.projects
for insert to authenticated
with check (
    deleted_at is null
    and user_id = (select auth.uid())
    and (
        organization_id is null
        or organization_id = any (array(
            select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
        ))
    )
);
comment on policy insert_own_or_member on public.projects is
'People make projects for themselves, or for an organization that they belong to.';

create policy update_own_or_member on public.projects
for update to authenticated
using (
    deleted_at is null
    and (
        (organization_id is null and user_id = (select auth.uid()))
        or organization_id = any (array(
            select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
        ))
    )
)
with check (
    deleted_at is null
    and (
        (organization_id is null and user_id = (select auth.uid()))
        or organization_id = any (array(
            select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
        ))
    )
);
comment on policy update_own_or_member on public.projects is 'Whoever sees a project may work on it.';

create policy delete_own_or_admin on public.projects
for delete to authenticated
using (
    deleted_at is null
    and (
        (organization_id is null and user_id = (select auth.uid()))
        or (
            user_id = (select auth.uid())
            and organization_id = any (array(
                select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
            ))
        )
        or organization_id = any (array(
            select m.organization_id from public.memberships as m
            where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
        ))
    )
);
comment on policy delete_own_or_admin on public.projects is
'A project is deleted (softly) by whoever made it, a shared one also by owners and admins.';

grant select, delete on table public.projects to authenticated, service_role;
grant insert (name, data, organization_id) on table public.projects to authenticated;
grant update (name, data) on table public.projects to authenticated, service_role;
grant insert (user_id, name, data, organization_id) on table public.projects to service_role;
