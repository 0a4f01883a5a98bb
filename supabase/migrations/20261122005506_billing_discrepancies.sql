-- What does not fit and what no rule can decide: kept until somebody has.

set lock_timeout = '5s';

create table billing.discrepancies (
    id bigint generated always as identity constraint discrepancies_pkey primary key,
    kind text not null,
    subject text not null,
    reason text not null,
    suggested_action text not null,
    detail jsonb not null default '{}',
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    resolved_at timestamptz,
    resolved_by uuid,
    resolution text,
    constraint kind_is_snake_case check (kind ~ '^[a-z]+(_[a-z]+)*$'),
    constraint resolved_says_how check (num_nonnulls(resolved_at, resolution) in (0, 2)),
    constraint resolution_is_one_line check (core.valid(
        core.is_one_line(resolution, 500), 'resolution', 'one line of 1 to 500 characters'
    ))
);
comment on table billing.discrepancies is
'Where Stripe, database and ledger do not agree, or what arrived makes no sense, with what somebody might do about it.';
comment on column billing.discrepancies.subject is 'What it is about, as Stripe or we call it. One open discrepancy of a kind for each.';

create unique index one_open_discrepancy_of_a_kind on billing.discrepancies (
    kind, subject
) where resolved_at is null;
create index discrepancies_by_time on billing.discrepancies (first_seen_at);

create function billing.file_discrepancy(
    kind text, subject text, reason text, suggested_action text, detail jsonb default '{}'
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column -- for the arbiter of `on conflict`, which cannot be qualified
begin
    insert into billing.discrepancies as d (kind, subject, reason, suggested_action, detail)
    values (kind, subject, reason, suggested_action, detail)
    on conflict (kind, subject) where resolved_at is null do update
    set last_seen_at = now(), reason = excluded.reason, detail = excluded.detail;
end
$$;
comment on function billing.file_discrepancy(text, text, text, text, jsonb) is
'Files what somebody has to decide, once as long as it is open.';

create function billing.resolve_discrepancy(id bigint, resolution text, resolved_by uuid default null)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
    update billing.discrepancies as d
    set
        resolved_at = now(),
        resolution = resolve_discrepancy.resolution,
        resolved_by = resolve_discrepancy.resolved_by
    where d.id = resolve_discrepancy.id and d.resolved_at is null;
    return found;
end
$$;
comment on function billing.resolve_discrepancy(bigint, text, uuid) is
'Keeps how somebody settled it, an admin or, without a name, whoever owns the database. False if there is no such open one.';
