-- Roles of a hosted Supabase project, once per server, run as its superuser supabase_admin.
-- Passwords are set by the stack; a role without one cannot log in.

-- Whom the Data API acts as.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';

-- Who the Data API logs in as.
create role authenticator login noinherit;
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
grant anon, authenticated, service_role to authenticator;

-- Owners of the schemas auth and storage.
create role supabase_auth_admin login noinherit createrole;
create role supabase_storage_admin login noinherit createrole;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
alter role supabase_storage_admin set search_path = storage;

-- Who migrations run as: powerful, yet no superuser.
create role postgres login createrole createdb bypassrls replication;
alter role postgres set search_path = "$user", public, extensions;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

create role dashboard_user nologin createrole createdb replication;

-- Local only: the stand-in for Data API, Auth and Storage is one process with one login.
create role supabase_lite login;
grant anon, authenticated to supabase_lite with inherit false, set true;
grant service_role, supabase_auth_admin, supabase_storage_admin to supabase_lite with inherit true, set true;
