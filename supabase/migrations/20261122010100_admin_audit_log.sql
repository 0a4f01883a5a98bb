-- Admins read the audit log, newest first, page by page.

set lock_timeout = '5s';

create type public.audit_entry as (
    id bigint,
    at timestamptz,
    database_role text,
    user_id uuid,
    actor text,
    request_id text,
    table_name text,
    row_key text,
    action text,
    changes jsonb
);
comment on type public.audit_entry is 'One row of the audit log. changes is {"column": [old, new]}, or the detail of a recorded action.';

create function admin.audit_log(
    before bigint,
    table_name text,
    row_key text,
    user_id uuid,
    actor text,
    action text,
    since timestamptz,
    until timestamptz,
    max_rows integer
)
returns setof public.audit_entry
language plpgsql
stable
security definer
set search_path = ''
-- Filters that are not asked for must vanish before the plan is made.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    perform admin.require_admin();
    if max_rows is null or max_rows not between 1 and 500 then
        perform core.fail(
            'validation_failed', 'max_rows must be between 1 and 500.',
            '{"field": "max_rows", "rule": "between 1 and 500"}'
        );
    end if;

    return query
    select
        l.id, l.at, l.database_role, l.user_id, l.actor, l.request_id,
        l.table_name, l.row_key, l.action, l.changes
    from audit.log as l
    where
        (audit_log.before is null or l.id < audit_log.before)
        and (audit_log.table_name is null or l.table_name = audit_log.table_name)
        and (audit_log.row_key is null or l.row_key = audit_log.row_key)
        -- The index of rows begins with their table: name them all where the caller names none.
        and (
            audit_log.row_key is null or audit_log.table_name is not null
            or l.table_name = any (array(select t.table_name from audit.tracked_tables as t))
        )
        and (audit_log.user_id is null or l.user_id = audit_log.user_id)
        and (audit_log.actor is null or l.actor = audit_log.actor)
        and (audit_log.action is null or l.action = audit_log.action)
        -- What the index of recorded actions asks for.
        and (
            audit_log.action is null or audit_log.action in ('insert', 'update', 'delete', 'truncate')
            or l.table_name is null
        )
        and (audit_log.since is null or l.at >= audit_log.since)
        and (audit_log.until is null or l.at < audit_log.until)
    order by l.id desc
    limit audit_log.max_rows;
end
$$;
comment on function admin.audit_log(bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer) is
'A page of the audit log for admins. Definer because the log is closed to every role of the API.';

create function public.admin_audit_log(
    before bigint default null,
    table_name text default null,
    row_key text default null,
    user_id uuid default null,
    actor text default null,
    action text default null,
    since timestamptz default null,
    until timestamptz default null,
    max_rows integer default 50
)
returns setof public.audit_entry
language sql
stable
set search_path = ''
begin atomic
    select
        e.id, e.at, e.database_role, e.user_id, e.actor, e.request_id,
        e.table_name, e.row_key, e.action, e.changes
    from admin.audit_log(
        admin_audit_log.before,
        admin_audit_log.table_name,
        admin_audit_log.row_key,
        admin_audit_log.user_id,
        admin_audit_log.actor,
        admin_audit_log.action,
        admin_audit_log.since,
        admin_audit_log.until,
        admin_audit_log.max_rows
    ) as e;
end;
comment on function public.admin_audit_log(bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer) is
'Admins: what happened, newest first. Filters: table ("public.projects"), row key, person, service, action, time from since to before until.
For the next page pass the last id as before; max_rows is 1 to 500.';
