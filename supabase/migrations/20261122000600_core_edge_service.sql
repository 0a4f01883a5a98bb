-- The edge's credential. If it is stolen, the thief can execute the functions in
-- schema edge and act as a user whose id he knows; he cannot read one table.

set lock_timeout = '5s';

-- A role belongs to the cluster and may outlive a database; its password is set by the operator.
do $$
begin
    if not exists (select from pg_roles where rolname = 'edge_service') then
        create role edge_service login noinherit;
    end if;
end
$$;
comment on role edge_service is 'Login of the edge and its workers: owns nothing, bypasses nothing, executes schema edge.';

grant anon, authenticated to edge_service with inherit false, set true; -- noqa: PRS

-- A forgotten transaction would hold back vacuum for everyone.
alter role edge_service set statement_timeout = '15s';
alter role edge_service set idle_in_transaction_session_timeout = '30s';

create function edge.ready()
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
    select jsonb_build_object('migration', max(m.version)) from supabase_migrations.schema_migrations as m;
$$;
comment on function edge.ready() is
'Answers the edge''s readiness probe with the newest migration. Definer because the edge may not read the migration history.';
