-- Seals: rows of the log are hashed in batches, each seal over the one before. Whoever
-- remembers one head elsewhere can prove everything below it.
--
-- The encoding, so that anyone can verify in any language:
--
--   field(text)   four bytes of length (big-endian, of the UTF-8 bytes), then the bytes;
--                 null is the four bytes FF FF FF FF alone
--   row hash      SHA-256 over the fields, in this order: id, at, transaction_id, database_role,
--                 user_id, actor, request_id, table_name, row_key, action, changes
--   seal hash     SHA-256 over the fields id, sealed_at, previous_hash, through_transaction, through_id,
--                 row_ids, followed by the row hashes themselves, 32 bytes each
--
-- Numbers are decimal; times are UTC, YYYY-MM-DDTHH:MM:SS.ffffffZ; uuids lower case; hashes as
-- fields lower-case hex; row_ids joined by commas; changes as Postgres writes jsonb (changes::text).
-- A seal covers the rows after the previous seal's (through_transaction, through_id) up to its own,
-- in that order. The first seal has the id 1, each further one the next, and previous_hash null.

set lock_timeout = '5s';

create table audit.seals (
    id bigint constraint seals_pkey primary key,
    sealed_at timestamptz not null default clock_timestamp(),
    previous_hash bytea,
    through_transaction xid8 not null,
    through_id bigint not null,
    row_ids bigint[] not null,
    row_hashes bytea not null,
    hash bytea not null,
    constraint one_hash_per_row check (octet_length(row_hashes) = 32 * cardinality(row_ids)),
    constraint first_seal_has_no_previous check ((id = 1) = (previous_hash is null))
);
comment on table audit.seals is
'Append-only chain of seals over audit.log. Keeps each row''s hash, so that audit.verify can name the row that was touched.';

create trigger _100_refuse_rewriting
before update or delete on audit.seals
for each row
execute function audit.refuse('Seals are append-only.');

create trigger _120_refuse_truncation
before truncate on audit.seals
for each statement
execute function audit.refuse('Seals are append-only.');

alter table audit.seals enable always trigger _100_refuse_rewriting;
alter table audit.seals enable always trigger _120_refuse_truncation;

create function audit.fields(variadic contents text[])
returns bytea
language sql
immutable
parallel safe
set search_path = ''
as $$
    select string_agg(coalesce(int4send(octet_length(e.bytes)) || e.bytes, '\xffffffff'), ''::bytea order by c.place)
    from unnest(contents) with ordinality as c (content, place)
    cross join lateral (select convert_to(c.content, 'UTF8') as bytes) as e;
$$;
comment on function audit.fields(text[]) is
'Fields of the canonical encoding, one after the other: length and bytes of each, or FFFFFFFF for null.';

create function audit.instant(value timestamptz)
returns text
language sql
stable
parallel safe
set search_path = ''
return to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
comment on function audit.instant(timestamptz) is
'A time of the canonical encoding, whatever the session''s time zone.';

create function audit.row_bytes(entry audit.log)
returns bytea
language sql
stable
parallel safe
set search_path = ''
return audit.fields(
    entry.id::text, audit.instant(entry.at), entry.transaction_id::text, entry.database_role,
    entry.user_id::text, entry.actor, entry.request_id, entry.table_name, entry.row_key, entry.action,
    entry.changes::text
);
comment on function audit.row_bytes(audit.log) is
'The canonical encoding of a row, of which its hash is the SHA-256.';

create function audit.seal_hash(seal audit.seals)
returns bytea
language sql
stable
parallel safe
set search_path = ''
return sha256(
    audit.fields(
        seal.id::text, audit.instant(seal.sealed_at), encode(seal.previous_hash, 'hex'),
        seal.through_transaction::text, seal.through_id::text, array_to_string(seal.row_ids, ',')
    ) || seal.row_hashes
);
comment on function audit.seal_hash(audit.seals) is 'What the hash of a seal has to be.';

create function audit.seal(max_rows integer default 10000)
returns audit.seals
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
    v_last audit.seals;
    v_seal audit.seals;
begin
    lock table audit.seals in share row exclusive mode;
    select s.* into v_last from audit.seals as s order by s.id desc limit 1;

    if v_last.through_transaction >= pg_snapshot_xmax(pg_current_snapshot()) then
        perform core.fail(
            'invalid_state',
            'This database was restored into a server whose transaction ids start lower than the last seal''s.',
            jsonb_build_object('rule', 'transaction_ids_only_grow')
        );
    end if;

    -- Below xmin every transaction has ended: what this snapshot does not show there will never
    -- appear. Ids alone do not say so: a lower one may still be waiting for its commit.
    select
        array_agg(u.id order by u.transaction_id, u.id),
        string_agg(sha256(audit.row_bytes(u)), ''::bytea order by u.transaction_id, u.id),
        max(u.transaction_id)
    into v_seal.row_ids, v_seal.row_hashes, v_seal.through_transaction
    from (
        select l.*
        from audit.log as l
        where
            (v_last.id is null or (l.transaction_id, l.id) > (v_last.through_transaction, v_last.through_id))
            and l.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
        order by l.transaction_id, l.id
        limit max_rows
    ) as u;
    if v_seal.row_ids is null then
        return null;
    end if;

    v_seal.through_id := v_seal.row_ids[cardinality(v_seal.row_ids)];
    v_seal.id := coalesce(v_last.id, 0) + 1;
    v_seal.sealed_at := clock_timestamp();
    v_seal.previous_hash := v_last.hash;
    v_seal.hash := audit.seal_hash(v_seal);
    insert into audit.seals select v_seal.*;
    return v_seal;
end
$$;
comment on function audit.seal(integer) is
'Seals the next rows and returns the seal, or null when nothing is ready. Sealers queue; a transaction still open holds back whatever came after it.';
