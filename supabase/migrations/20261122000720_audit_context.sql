-- On whose behalf does this transaction act?

set lock_timeout = '5s';

-- A view, because it melts into the statements of the writers where a function would be called.
create view audit.context with (security_invoker = true) as
select
    -- current_user would be the owner of the definer function that asks
    case current_setting('role')
        when 'none' then session_user::text
        else current_setting('role')
    end as database_role,
    case when pg_input_is_valid(c.claims ->> 'sub', 'uuid') then (c.claims ->> 'sub')::uuid end as user_id,
    left(nullif(current_setting('audit.actor', true), ''), 200) as actor,
    left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-request-id', 200) as request_id
from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims) as c;
comment on view audit.context is
'One row: the role of the request, the person of its token, the service''s own word, the request id.';

create function audit.act_as(actor text)
returns void
language sql
volatile
set search_path = ''
as $$
    select set_config('audit.actor', actor, true);
$$;
comment on function audit.act_as(text) is
'Names the service or job that acts in this transaction, for rows that no person writes.';

create view audit.actions with (security_invoker = true) as
select l.id, l.at, l.database_role, l.user_id, l.actor, l.request_id, l.action, l.changes as detail
from audit.log as l
where l.table_name is null;
comment on view audit.actions is 'What was done that is no row of a table. Writing to it is how audit.record gets past the log''s own guard.';

create function audit.write_action()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into audit.log (database_role, user_id, actor, request_id, action, changes)
    select c.database_role, c.user_id, c.actor, c.request_id, new.action, new.detail
    from audit.context as c;
    return new;
end
$$;
comment on function audit.write_action() is 'Writes an action into the log, from where only triggers may.';

create trigger _100_write
instead of insert on audit.actions
for each row
execute function audit.write_action();

create function audit.record(action text, detail jsonb default '{}')
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if action is null or action !~ '^[a-z]+(_[a-z]+)*$' or action in ('insert', 'update', 'delete', 'truncate') then
        perform core.fail(
            'validation_failed', 'An action is named in snake_case, and not like a change of a row.',
            jsonb_build_object('field', 'action')
        );
    end if;
    if action = 'retire_month' then
        perform core.fail(
            'validation_failed', 'Retirements are recorded by audit.retire_month alone.',
            jsonb_build_object('field', 'action', 'rule', 'retirements_are_not_told')
        );
    end if;
    insert into audit.actions (action, detail) values (record.action, coalesce(record.detail, '{}'));
end
$$;
comment on function audit.record(text, jsonb) is
'Puts an action that changes no row into the log: an export, a retry, a look into something private. Put no secrets into detail.
Definer because only the owner writes the log; granted to nobody, so that only functions of the house can call it.';
