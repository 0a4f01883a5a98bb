-- The rooms of the house, all closed: nobody may use, see or call anything that
-- supabase/policies does not open by name.

set lock_timeout = '5s';

create schema core;
comment on schema core is 'What every domain stands on: typed errors, validation, row triggers, idempotency.';

create schema identity;
comment on schema identity is 'Internals of people and organizations: secrets, auth triggers, every definer function of the domain.';

create schema edge;
comment on schema edge is 'The whole contract between SQL and the edge service: it may execute these functions and nothing else.';

-- A definer function looks for types in pg_temp before anything else, so nobody who
-- can only call functions may put something there.
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;

-- Global, because with `in schema` this statement is a silent no-op.
alter default privileges revoke execute on functions from public;

-- Supabase projects have long granted everything on new objects in public to the
-- API roles; here a new table is invisible until its policy file opens it.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
