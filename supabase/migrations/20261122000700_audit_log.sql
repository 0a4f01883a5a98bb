-- Who did what, when: one row for every change of an audited row and for every action
-- that is no row. Rows are added by triggers and never change again.

set lock_timeout = '5s';

create schema audit;
comment on schema audit is
'What happened, kept so that nobody can rewrite it unnoticed. Knows no people, only their ids; clients never enter.';

create table audit.log (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    transaction_id xid8 not null default pg_current_xact_id(),
    database_role text not null,
    user_id uuid,
    actor text,
    request_id text,
    table_name text,
    row_key text,
    action text not null,
    changes jsonb not null,
    constraint log_pkey primary key (id, at)
) partition by range (at);
comment on table audit.log is
'Append-only, one partition a month (UTC). Written by triggers alone; read through admin_audit_log; proven by audit.verify.';
comment on column audit.log.at is 'When the transaction began, as in created_at and updated_at of the rows that it wrote.';
comment on column audit.log.transaction_id is 'Which transaction wrote it. Sealing goes by it, because ids become visible out of order.';
comment on column audit.log.database_role is 'The role of the API, or the login of whoever came without one.';
comment on column audit.log.user_id is 'The signed-in person (sub of the token); null for services and DBAs.';
comment on column audit.log.actor is 'Which service or job acted, as it said itself in the setting audit.actor.';
comment on column audit.log.row_key is 'Primary key of the row as text; the parts of a composite key are joined by a slash.';
comment on column audit.log.action is 'insert, update, delete or truncate of table_name; else what audit.record was told.';
comment on column audit.log.changes is
'{"column": [old, new]} for each column that differs, null where there is no value. Values of secret columns read "[secret]". For a recorded action, its detail.';

-- Sealing walks along the first; the others answer "this table's", "this row's" and "this person's" history.
create index log_by_transaction on audit.log (transaction_id, id);
create index log_by_row on audit.log (table_name, row_key, id);
create index log_by_user on audit.log (user_id, id) where user_id is not null;
-- Rare among the row changes, and what an investigation asks for first.
create index log_by_recorded_action on audit.log (action, id) where table_name is null;
create index log_by_actor on audit.log (actor, id) where actor is not null;

create function audit.refuse()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.fail('forbidden', tg_argv[0], jsonb_build_object('table', format('%s.%s', tg_table_schema, tg_table_name)));
    return null;
end
$$;
comment on function audit.refuse() is 'Refuses what would rewrite history, to owners as to everyone.';

-- Row triggers, because partitions inherit those and may be addressed directly.
create trigger _100_refuse_rewriting
before update or delete on audit.log
for each row
execute function audit.refuse('The audit log is append-only.');

-- At depth 0 the statement was written by somebody and not by a trigger.
create trigger _110_refuse_forgery
before insert on audit.log
for each row
when (pg_trigger_depth() = 0)
execute function audit.refuse('The audit log is written by triggers. Call audit.record for what is no row.');

-- Partitions get their own from audit.create_partitions: nothing inherits this kind.
create trigger _120_refuse_truncation
before truncate on audit.log
for each statement
execute function audit.refuse('The audit log is append-only.');

-- Also when ordinary triggers are off (session_replication_role).
alter table audit.log enable always trigger _100_refuse_rewriting;
alter table audit.log enable always trigger _120_refuse_truncation;
