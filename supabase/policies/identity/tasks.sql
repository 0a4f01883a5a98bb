revoke all on table public.tasks from anon, authenticated, service_role, edge_service;

alter table public.tasks enable row level security;
alter table public.tasks force row level security;

create policy select_own_or_member on public.tasks
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
comment on policy select_own_or_member on public.tasks is
'Tasks are seen by whoever sees their project.';

create policy insert_own_or_member on public.tasks
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
comment on policy insert_own_or_member on public.tasks is
'People add tasks to projects that they see; the trigger has given the task its project''s organization.';

create policy update_own_or_member on public.tasks
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
comment on policy update_own_or_member on public.tasks is 'Whoever sees a project may work on its tasks.';

create policy delete_own_or_member on public.tasks
for delete to authenticated
using (
    deleted_at is null
    and (
        (organization_id is null and user_id = (select auth.uid()))
        or organization_id = any (array(
            select m.organization_id from public.memberships as m where m.user_id = (select auth.uid())
        ))
    )
);
comment on policy delete_own_or_member on public.tasks is 'Whoever works on a project may delete (softly) its tasks.';

grant select, delete on table public.tasks to authenticated, service_role;
grant insert (project_id, title, status, value) on table public.tasks to authenticated, service_role;
grant update (title, status, value) on table public.tasks to authenticated, service_role;
