-- Tasks live in a project and belong to whom the project belongs.

set lock_timeout = '5s';

create table public.tasks (
    id uuid constraint tasks_pkey primary key default gen_random_uuid(),
    project_id uuid not null,
    user_id uuid not null default auth.uid(),
    organization_id uuid,
    title text not null default '',
    status text not null default 'todo',
    value numeric not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint tasks_project_id_fkey foreign key (project_id) references public.projects (id),
    constraint tasks_user_id_fkey foreign key (user_id) references public.profiles (id),
    constraint tasks_organization_id_fkey
    foreign key (organization_id) references public.organizations (id),
    constraint title_is_one_line check (core.valid(
        title = '' or core.is_one_line(title, 500), 'title', 'one line of at most 500 characters'
    )),
    constraint status_is_known check (core.valid(
        status in ('todo', 'in_progress', 'done'), 'status', 'todo, in_progress or done'
    )),
    constraint value_is_a_sane_amount check (core.valid(
        value >= 0 and value <= 1000000000000 and scale(value) <= 6,
        'value', 'between 0 and 1000000000000, with at most 6 decimals'
    ))
);
comment on table public.tasks is
'Work in a project. Carries its project''s organization itself, so that its policy needs no look at projects for each row.';
comment on column public.tasks.user_id is 'Who made it. Never sent by a client: it is the caller.';
comment on column public.tasks.organization_id is 'Copied from the project by a trigger; projects never change theirs.';

create index tasks_by_project on public.tasks (project_id, created_at desc);
create index tasks_by_user on public.tasks (user_id, created_at desc);
create index tasks_by_organization on public.tasks (organization_id, created_at desc);

create function identity.join_project()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_project public.projects;
begin
    -- Locked against a deletion at the same time, which could not see this task.
    select p.* into v_project
    from public.projects as p
    where p.id = new.project_id and p.deleted_at is null
    for share;

    if not found then
        perform core.fail('not_found', 'There is no such project among yours.', '{"field": "project_id"}');
    end if;

    new.user_id := coalesce((select auth.uid()), v_project.user_id);
    new.organization_id := v_project.organization_id;
    return new;
end
$$;
comment on function identity.join_project() is
'Gives a new task the owner and organization of its project. Not a definer: whoever cannot see a project cannot put a task into it.';

create function identity.delete_tasks_of_project()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    update public.tasks as t
    set deleted_at = new.deleted_at
    where t.project_id = new.id and t.deleted_at is null;
    return null;
end
$$;
comment on function identity.delete_tasks_of_project() is
'A deleted project takes its tasks along. Definer because clients may not set deleted_at.';

create trigger _100_join_project
before insert on public.tasks
for each row
execute function identity.join_project();

create trigger _150_require_live_user
before insert on public.tasks
for each row
execute function identity.require_live_user();

create trigger _100_refuse_new_parent
before update on public.tasks
for each row
when (
    (old.id, old.project_id, old.user_id, old.organization_id, old.created_at)
    is distinct from (new.id, new.project_id, new.user_id, new.organization_id, new.created_at)
)
execute function core.refuse_change('A task keeps its project and its owner.');

create trigger _200_touch
before update on public.tasks
for each row
execute function core.touch();

create trigger _300_soft_delete
before delete on public.tasks
for each row
when (core.is_api_role())
execute function core.soft_delete();

create trigger _400_delete_tasks
after update of deleted_at on public.projects
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function identity.delete_tasks_of_project();
