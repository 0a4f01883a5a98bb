-- What happened in a stretch of time, counted once for each scope: a person's private
-- work, or an organization's. However many people look at an organization, it is read once.

set lock_timeout = '5s';

-- BRIN, because an update still fits on its page (HOT), which a btree would prevent. What changed yesterday
-- is found by reading the page ranges that were written since.
create index projects_by_change on public.projects using brin (updated_at) with (autosummarize = on);
create index tasks_by_change on public.tasks using brin (updated_at) with (autosummarize = on);

create table identity.activity_summaries (
    run_id uuid not null,
    scope_id uuid not null,
    is_private boolean not null,
    changes integer not null,
    summary jsonb not null,
    size integer generated always as (octet_length(summary::text)) stored,
    constraint activity_summaries_pkey primary key (run_id, scope_id)
);
comment on table identity.activity_summaries is
'Scratch paper of a run of the daily summary, which deletes its rows before it ends: nobody else ever sees any.';
comment on column identity.activity_summaries.scope_id is 'An organization, or a person for what is private to them.';

create function identity.summarize_activity(run_id uuid, since timestamptz, until timestamptz, users uuid[])
returns void
language plpgsql -- a function in SQL would be planned without knowing since when
volatile
set search_path = ''
as $$
begin
    with scopes as materialized (
        select u.id, null::text as organization
        from unnest(users) as u (id)
        union all
        select o.id, o.name
        from public.organizations as o
        where o.deleted_at is null and o.id in (
            select m.organization_id from public.memberships as m join unnest(users) as u (id) on u.id = m.user_id
        )
    ),

    -- By updated_at, which is never before created_at: one look for what is new and for what is changed. What
    -- changed again after the window is in it only if it was made there.
    changed_projects as (
        select s.id as scope_id, count(*) as created
        from public.projects as p
        join scopes as s on s.id = coalesce(p.organization_id, p.user_id)
        where
            p.updated_at >= since and p.deleted_at is null
            and p.created_at >= since and p.created_at < until
        group by s.id
    ),

    changed_tasks as materialized (
        select
            s.id as scope_id, t.id, t.project_id, t.title, t.status, t.updated_at,
            t.created_at >= since and t.created_at < until as is_new,
            t.updated_at < until and t.updated_at > t.created_at as is_updated,
            t.updated_at < until and t.status = 'done' as is_done,
            row_number() over (partition by s.id order by t.updated_at desc, t.id) as place
        from public.tasks as t
        join scopes as s on s.id = coalesce(t.organization_id, t.user_id)
        where
            t.updated_at >= since and t.deleted_at is null
            and (t.updated_at < until or (t.created_at >= since and t.created_at < until))
    ),

    counted_tasks as (
        select
            t.scope_id, count(*) as changed, count(*) filter (where t.is_new) as created,
            count(*) filter (where t.is_updated) as updated, count(*) filter (where t.is_done) as done
        from changed_tasks as t
        group by t.scope_id
    ),

    newest_tasks as (
        select
            t.scope_id,
            jsonb_agg(
                jsonb_build_object(
                    'project', case when char_length(p.name) > 80 then left(p.name, 79) || '…' else p.name end,
                    'title', case when char_length(t.title) > 120 then left(t.title, 119) || '…' else t.title end,
                    'status', t.status
                )
                order by t.place
            ) as items
        from changed_tasks as t
        join public.projects as p on p.id = t.project_id
        where t.place <= 10
        group by t.scope_id
    )

    insert into identity.activity_summaries (run_id, scope_id, is_private, changes, summary)
    select
        summarize_activity.run_id, s.id, s.organization is null, coalesce(p.created, 0) + coalesce(t.changed, 0),
        jsonb_build_object(
            'organization', s.organization, 'projects_created', coalesce(p.created, 0),
            'tasks_created', coalesce(t.created, 0), 'tasks_updated', coalesce(t.updated, 0),
            'tasks_done', coalesce(t.done, 0), 'items', coalesce(n.items, '[]')
        )
    from scopes as s
    left join changed_projects as p on p.scope_id = s.id
    left join counted_tasks as t on t.scope_id = s.id
    left join newest_tasks as n on n.scope_id = s.id
    where p.scope_id is not null or t.scope_id is not null;

    -- Whoever looked at this table between two runs saw it empty, and would be planned for an empty one.
    analyze identity.activity_summaries;
end
$$;
comment on function identity.summarize_activity(uuid, timestamptz, timestamptz, uuid[]) is
'Counts what was made, changed and done from since to before until in the private work of these users and in their organizations, with the ten newest tasks of each. Idle scopes get no row.';
