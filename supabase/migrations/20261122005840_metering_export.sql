-- An RPC behind a limit, as the pattern for others: one function reads with the caller's
-- rights, the next counts before it answers.

set lock_timeout = '5s';

create function metering.project_document(project_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    v_most constant integer := 10000;
    v_project jsonb;
    v_tasks jsonb;
    v_count bigint;
begin
    select to_jsonb(p) - 'deleted_at' into v_project
    from public.projects as p
    where p.id = project_document.project_id and p.deleted_at is null;
    if not found then
        return null;
    end if;

    select count(*) into v_count
    from public.tasks as t
    where t.project_id = project_document.project_id and t.deleted_at is null;
    select coalesce(jsonb_agg(to_jsonb(t) - 'deleted_at' order by t.created_at, t.id), '[]') into v_tasks
    from (
        select k.*
        from public.tasks as k
        where k.project_id = project_document.project_id and k.deleted_at is null
        order by k.created_at, k.id
        limit v_most
    ) as t;
    return jsonb_build_object(
        'project', v_project, 'tasks', v_tasks, 'tasks_left_out', v_count - jsonb_array_length(v_tasks),
        'exported_at', now()
    );
end
$$;
comment on function metering.project_document(uuid) is
'A project and its first 10,000 tasks as one document; null for whoever cannot see it. Not a definer: policies decide.';

create function metering.export(project_id uuid, document jsonb, idempotency_key text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform core.valid(project_id is not null, 'project_id', 'given');
    if document is null then
        perform core.fail('not_found', 'There is no such project among yours.', '{"field": "project_id"}');
    end if;
    -- A repetition is for an answer that got lost, not for what the project became since.
    if exists (
        select from core.idempotency_keys as k
        where
            k.user_id = (select auth.uid()) and k.operation = 'export_project'
            and k.key = export.idempotency_key and k.created_at < now() - interval '10 minutes'
    ) then
        perform core.fail(
            'conflict', 'The export of this key was more than ten minutes ago. Use a new key.',
            jsonb_build_object('idempotency_key', idempotency_key)
        );
    end if;
    perform metering.limit_rate('export');
    return document || jsonb_build_object('usage', metering.consume_once(
        'export_project', jsonb_build_object('project_id', project_id), 'export', 1, idempotency_key
    ));
end
$$;
comment on function metering.export(uuid, jsonb, text) is
'Counts one export of the caller and hands the document out; what the caller cannot see is not charged. Definer because nobody else may write usage.';

create function public.export_project(project_id uuid, idempotency_key text default null)
returns jsonb
language sql
volatile
set search_path = ''
return metering.export(project_id, metering.project_document(project_id), idempotency_key);
comment on function public.export_project(uuid, text) is
'Take a project with its first 10,000 tasks along. Counts as one export; within ten minutes the same idempotency key exports the same project again and counts once.';
