-- The pattern for an app's own tables: a row belongs to one user, or is shared with
-- one organization, and stays there.

set lock_timeout = '5s';

create table public.projects (
    id uuid constraint projects_pkey primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid(),
    organization_id uuid,
    name text not null,
    data jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint projects_user_id_fkey foreign key (user_id) references public.profiles (id),
    constraint projects_organization_id_fkey
    foreign key (organization_id) references public.organizations (id),
    constraint name_is_one_line check (core.valid(
        core.is_one_line(name, 200), 'name', 'one line of 1 to 200 characters'
    )),
    constraint data_is_a_small_object check (core.valid(
        core.is_small_object(data, 65536), 'data', 'a JSON object of at most 64 kB'
    ))
);
comment on table public.projects is
'Private to its user while organization_id is null, else shared with the members of that organization.';
comment on column public.projects.user_id is 'Who made it. Never sent by a client: it is the caller.';
comment on column public.projects.organization_id is 'Chosen when the project is made, among the caller''s organizations; never changed.';

create index projects_by_user on public.projects (user_id, created_at desc);
create index projects_by_organization on public.projects (organization_id, created_at desc);

create trigger _050_require_live_user
before insert on public.projects
for each row
when (new.user_id is not null)
execute function identity.require_live_user();

create trigger _100_refuse_new_owner
before update on public.projects
for each row
when (
    (old.id, old.user_id, old.organization_id, old.created_at)
    is distinct from (new.id, new.user_id, new.organization_id, new.created_at)
)
execute function core.refuse_change('A project keeps its owner and its organization.');

create trigger _200_touch
before update on public.projects
for each row
execute function core.touch();

create trigger _300_soft_delete
before delete on public.projects
for each row
when (core.is_api_role())
execute function core.soft_delete();
