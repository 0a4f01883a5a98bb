-- What rows of every table have in common: they know when they changed, some of
-- their columns never change, and business rows are not deleted but marked.

set lock_timeout = '5s';

create function core.is_api_role()
returns boolean
language sql
stable
parallel safe
set search_path = ''
return current_user in ('anon', 'authenticated', 'service_role');
comment on function core.is_api_role() is
'True while a statement runs as a client of the Data API and not inside a definer function or for a DBA.';

create function core.touch()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    new.updated_at := now();
    return new;
end
$$;
comment on function core.touch() is 'Keeps updated_at true whatever the client sends.';

create function core.refuse_change()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.fail('forbidden', tg_argv[0], jsonb_build_object('table', tg_table_name));
    return null;
end
$$;
comment on function core.refuse_change() is
'Refuses an update; the trigger''s WHEN clause says which columns are meant and costs nothing when they stay.';

create function core.soft_delete()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    execute format('update %I.%I set deleted_at = now() where id = $1', tg_table_schema, tg_table_name) using old.id;
    return null;
end
$$;
comment on function core.soft_delete() is
'Turns a client''s DELETE into deleted_at. Definer because clients may not set deleted_at, nor see the row once it is set.';
