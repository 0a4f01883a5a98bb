-- Limits on what the domains below have already. They cannot call metering, and a
-- trigger cannot be forgotten or gone around.

set lock_timeout = '5s';

create function metering.limit_written()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_rows bigint := 1;
begin
    if metering.subject() is null then
        return null;
    end if;
    if tg_argv[1] = 'rows' then
        if tg_op = 'DELETE' then
            select count(*) into v_rows from old_rows;
        else
            select count(*) into v_rows from new_rows;
        end if;
    end if;
    if v_rows > 0 then
        perform metering.limit_rate(tg_argv[0], least(v_rows, 2147483647)::integer);
    end if;
    return null;
end
$$;
comment on function metering.limit_written() is
'Takes a token for each row of a statement that a person caused, or one for the statement. Definer because people see no buckets.';

create function metering.limit_writes(
    limited regclass,
    limit_name text,
    events text[],
    counted text default 'rows',
    only_clients boolean default false
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_event text;
begin
    perform metering.rate_limit(limit_name);
    if (
        events <@ array['insert', 'update', 'delete'] and cardinality(events) > 0
        and counted in ('rows', 'statements')
    ) is not true then
        raise exception 'metering.limit_writes(%): events are insert, update, delete, counted by rows or statements', limited;
    end if;
    foreach v_event in array events loop
        execute format(
            -- Last of all triggers, because the bucket is the last lock.
            'create or replace trigger %I after %s on %s%s for each statement%s '
            'execute function metering.limit_written(%L, %L)',
            '_950_limit_' || v_event, v_event, limited,
            case when counted = 'rows' then
                case v_event
                    when 'delete' then ' referencing old table as old_rows'
                    else ' referencing new table as new_rows'
                end
            end,
            case when only_clients then ' when (core.is_api_role())' end,
            limit_name, counted
        );
    end loop;
end
$$;
comment on function metering.limit_writes(regclass, text, text[], text, boolean) is
'Puts writes of a table under a rate limit: select metering.limit_writes(''public.things'', ''things'', ''{insert,update}'').
Rows count, or statements where one request of a person may touch any number of them; with only_clients, what functions of the house write does not count.';

-- A change of a row costs an audit row as an insert does. What clients delete was
-- counted when it was made.
select metering.limit_writes('public.organizations', 'organizations', '{insert}');
select metering.limit_writes('public.organizations', 'memberships', '{update}', only_clients => true);
select metering.limit_writes(
    'public.memberships', 'memberships', '{insert,update,delete}', counted => 'statements'
);
-- Written once for each link that is mailed.
select metering.limit_writes('identity.invitation_tokens', 'invitations', '{insert,update}');
select metering.limit_writes('public.projects', 'projects', '{insert}');
select metering.limit_writes('public.projects', 'projects', '{update}', only_clients => true);
select metering.limit_writes('public.tasks', 'tasks', '{insert}');
select metering.limit_writes('public.tasks', 'tasks', '{update}', only_clients => true);
select metering.limit_writes(
    'public.profiles', 'profiles', '{update}', counted => 'statements', only_clients => true
);
select metering.limit_writes(
    'public.notifications', 'notifications', '{update,delete}', counted => 'statements'
);
select metering.limit_writes('billing.checkouts', 'checkouts', '{insert}');
