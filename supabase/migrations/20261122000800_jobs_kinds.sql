-- What the queue knows how to do. A kind is declared once, by the domain that does the
-- work, so that nobody can enqueue what no worker will ever understand.

set lock_timeout = '5s';

create schema jobs;
comment on schema jobs is 'Work that survives crashes: the queue, its kinds, its schedules. Knows no people, only ids and addresses.';

create table jobs.kinds (
    kind text constraint kinds_pkey primary key,
    handler text not null,
    sql_function text,
    max_attempts integer not null default 8,
    max_lost_leases integer not null default 20,
    lease_seconds integer not null default 30,
    backoff_seconds numeric not null default 2,
    max_backoff_seconds numeric not null default 3600,
    patience interval not null default '1 day',
    keep_done interval not null default '0',
    description text not null,
    constraint kind_is_snake_case check (
        kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$' and char_length(kind) <= 100
    ),
    constraint handler_is_known check (handler in ('sql', 'python')),
    constraint sql_names_its_function check ((handler = 'sql') = (sql_function is not null)),
    constraint sql_function_is_qualified check (sql_function ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$'),
    constraint attempts_are_bounded check (
        max_attempts between 1 and 100 and max_lost_leases between 1 and 1000
    ),
    constraint lease_is_bounded check (lease_seconds between 1 and 3600),
    constraint backoff_is_bounded check (
        backoff_seconds > 0 and max_backoff_seconds >= backoff_seconds and max_backoff_seconds <= 604800
    ),
    constraint intervals_are_positive check (patience > interval '0' and keep_done >= interval '0')
);
comment on table jobs.kinds is
'Every kind of job, declared by the migration of the domain that does the work.';
comment on column jobs.kinds.handler is
'sql: sql_function(payload jsonb) returns jsonb does the work and the job ends in one transaction. python: edge/worker/handlers.py.';
comment on column jobs.kinds.max_attempts is 'Reported failures after which a job is dead.';
comment on column jobs.kinds.max_lost_leases is
'Workers that may vanish with a job before it counts as poison and is dead. Apart from max_attempts, because most jobs that a crash takes along are innocent.';
comment on column jobs.kinds.patience is 'How long a job may wait for a dependency (retry later) before it is dead.';
comment on column jobs.kinds.keep_done is
'How long done jobs stay in jobs.finished; not at all by default, because that row costs as much as the job. Dead jobs always stay.';

create function jobs.keep_kinds_in_use()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if tg_op = 'UPDATE' and new.kind = old.kind then
        return new;
    end if;
    if exists (select from jobs.queue as q where q.kind = old.kind) then
        perform core.fail('invalid_state', 'Jobs of this kind wait. Finish or drop them first.', jsonb_build_object('kind', old.kind));
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function jobs.keep_kinds_in_use() is
'What a foreign key would say, without the row lock on the kind that it takes for every enqueued job. A job that was just being staged escapes it, and is dead when a worker comes to it.';

create trigger _100_keep_kinds_in_use
before delete or update of kind on jobs.kinds
for each row
execute function jobs.keep_kinds_in_use();
