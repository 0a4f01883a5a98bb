-- An RPC behind a limit, as the pattern for others: reads with the caller's rights, and
-- counts before it answers.

set lock_timeout = '5s';

create function metering.consume_export(project_id uuid, idempotency_key text)
returns public.usage_status
language sql
volatile
security definer
set search_path = ''
as $$
    select metering.limit_rate('export');
    select metering.consume_once(
        'export_project', jsonb_build_object('project_id', project_id), 'export', 1, idempotency_key
    );
$$;
comment on function metering.consume_export(uuid, text) is
'Counts one export of the caller, who may not ask too fast either. Definer because nobody else may write usage.';

create function metering.export_project(project_id uuid, idempotency_key text)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_most constant integer := 10000;
    v_project jsonb;
    v_tasks jsonb;
    v_count bigint;
    v_status public.usage_status;
begin
    perform core.valid(project_id is not null, 'project_id', 'given');
    select to_jsonb(p) - 'deleted_at' into v_project
    from public.projects as p
    where p.id = export_project.project_id and p.deleted_at is null;
    if not found then
        perform core.fail('not_found', 'There is no such project among yours.', '{"field": "project_id"}');
    end if;

    v_status := metering.consume_export(project_id, idempotency_key);
    select count(*) into v_count
    from public.tasks as t
    where t.project_id = export_project.project_id and t.deleted_at is null;
    select coalesce(jsonb_agg(to_jsonb(t) - 'deleted_at' order by t.created_at, t.id), '[]') into v_tasks
    from (
        select k.*
        from public.tasks as k
        where k.project_id = export_project.project_id and k.deleted_at is null
        order by k.created_at, k.id
        limit v_most
    ) as t;
    return jsonb_build_object(
        'project', v_project, 'tasks', v_tasks, 'tasks_left_out', v_count - jsonb_array_length(v_tasks),
        'exported_at', now(), 'usage', to_jsonb(v_status)
    );
end
$$;
comment on function metering.export_project(uuid, text) is
'A project and its tasks as one document. Not a definer: whoever cannot see a project cannot export it, and is not charged.';

create function public.export_project(project_id uuid, idempotency_key text default null)
returns jsonb
language sql
volatile
set search_path = ''
return metering.export_project(project_id, idempotency_key);
comment on function public.export_project(uuid, text) is
'Take a project with its first 10,000 tasks along. Counts as one export; the same idempotency key exports the same project again and counts once.';
