-- Proves the log: recomputes every hash and names the first thing that is not as it was sealed.

set lock_timeout = '5s';

create type audit.verdict as (
    finding text,
    row_id bigint,
    seal_id bigint,
    head bytea,
    seals bigint,
    sealed_rows bigint,
    unsealed_rows bigint,
    unsealed_since timestamptz,
    from_seal bigint
);
comment on type audit.verdict is
'finding: ok, row_changed, row_removed, row_inserted, seal_changed, seal_removed or head_missing. head: the last good seal''s hash. from_seal: the first seal all of whose rows had to be there.';

create function audit.check_rows(seal audit.seals, previous audit.seals, retired boolean)
returns table (finding text, row_id bigint)
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
begin
    return query
    select
        case
            when s.id is null then 'row_inserted'
            when f.id is null and not exists (select from audit.log as l where l.id = s.id) then 'row_removed'
            else 'row_changed'
        end,
        coalesce(s.id, f.id)
    from (
        select u.id, substr(seal.row_hashes, (32 * u.place - 31)::integer, 32) as hash
        from unnest(seal.row_ids) with ordinality as u (id, place)
    ) as s
    full join (
        select l.id, sha256(audit.row_bytes(l)) as hash
        from audit.log as l
        where
            (l.transaction_id, l.id) <= (seal.through_transaction, seal.through_id)
            and (
                previous.id is null
                or (l.transaction_id, l.id) > (previous.through_transaction, previous.through_id)
            )
    ) as f on f.id = s.id
    where
        s.hash is distinct from f.hash
        and not (retired and f.id is null and not exists (select from audit.log as l where l.id = s.id))
    order by 2
    limit 1;
end
$$;
comment on function audit.check_rows(audit.seals, audit.seals, boolean) is
'The lowest row of one seal''s range that is not as sealed, or nothing. Of a retired seal rows may be missing.';

create function audit.retired_through()
returns bigint
language sql
stable
set search_path = ''
as $$
    select coalesce(max((l.changes ->> 'through_seal')::bigint), 0)
    from audit.log as l
    where l.action = 'retire_month' and l.table_name is null;
$$;
comment on function audit.retired_through() is
'Up to which seal rows may be missing, because their month was retired. The log itself says so, under its own seals.';

create function audit.verify(expected_head bytea default null, from_seal bigint default 1)
returns audit.verdict
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
    v_verdict audit.verdict;
    v_seal audit.seals;
    v_previous audit.seals;
    v_found record;
    v_head_seen boolean;
    v_retired bigint := audit.retired_through();
begin
    perform core.valid(from_seal is not null and from_seal >= 1, 'from_seal', 'the number of a seal');
    v_verdict.from_seal := greatest(from_seal, v_retired + 1);
    v_verdict.seals := from_seal - 1;
    v_verdict.sealed_rows := 0;
    if from_seal > 1 then
        -- What everything hangs on: taken as it is, but not if it is not even what it says.
        select s.* into v_previous from audit.seals as s where s.id = from_seal - 1;
        if v_previous.id is null or v_previous.hash is distinct from audit.seal_hash(v_previous) then
            v_verdict.finding := case when v_previous.id is null then 'seal_removed' else 'seal_changed' end;
            v_verdict.seal_id := from_seal - 1;
            return v_verdict;
        end if;
        v_verdict.head := v_previous.hash;
    end if;
    v_head_seen := expected_head is null or coalesce(v_previous.hash = expected_head, false);

    for v_seal in select s.* from audit.seals as s where s.id >= from_seal order by s.id
    loop
        -- From the first broken seal on, nothing is proven any more.
        if v_seal.id <> v_verdict.seals + 1 then
            v_verdict.finding := coalesce(v_verdict.finding, 'seal_removed');
            v_verdict.seal_id := coalesce(v_verdict.seal_id, v_verdict.seals + 1);
            exit;
        elsif v_seal.previous_hash is distinct from v_previous.hash or v_seal.hash is distinct from audit.seal_hash(v_seal) then
            v_verdict.finding := coalesce(v_verdict.finding, 'seal_changed');
            v_verdict.seal_id := coalesce(v_verdict.seal_id, v_seal.id);
            exit;
        end if;

        select c.* into v_found from audit.check_rows(v_seal, v_previous, v_seal.id <= v_retired) as c;
        if v_found.row_id < v_verdict.row_id or (v_found.row_id is not null and v_verdict.row_id is null)
        -- A row that moved is missing in one seal and too many in another.
        or (v_found.row_id = v_verdict.row_id and v_found.finding = 'row_changed') then
            v_verdict.finding := v_found.finding;
            v_verdict.row_id := v_found.row_id;
            v_verdict.seal_id := v_seal.id;
        end if;

        v_head_seen := v_head_seen or v_seal.hash = expected_head;
        v_verdict.seals := v_seal.id;
        v_verdict.sealed_rows := v_verdict.sealed_rows + cardinality(v_seal.row_ids);
        v_verdict.head := v_seal.hash;
        v_previous := v_seal;
    end loop;

    if v_verdict.finding is null then
        v_verdict.finding := case when v_head_seen then 'ok' else 'head_missing' end;
    end if;
    select count(*), min(l.at) into v_verdict.unsealed_rows, v_verdict.unsealed_since
    from audit.log as l
    where
        v_previous.id is null
        or (l.transaction_id, l.id) > (v_previous.through_transaction, v_previous.through_id);
    return v_verdict;
end
$$;
comment on function audit.verify(bytea, bigint) is
'ok with head and counts, or the lowest row that was changed, removed or inserted since it was sealed, or the first broken seal.
Only a head remembered elsewhere tells that the end of the chain was cut off or rewritten: pass it as expected_head; any earlier head will do.
Rows not sealed yet are counted and not proven. With from_seal only that seal and later ones are read, for which the one before must have been proven once; a head from before it counts as missing.';

create function edge.seal_audit_log(max_rows integer default 10000)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_partitions integer := audit.create_partitions();
    v_seal audit.seals := audit.seal(max_rows);
begin
    return jsonb_build_object(
        'partitions', v_partitions,
        'seal', v_seal.id,
        'rows', coalesce(cardinality(v_seal.row_ids), 0),
        'head', encode(v_seal.hash, 'hex')
    );
end
$$;
comment on function edge.seal_audit_log(integer) is
'The worker''s upkeep of the log: partitions ahead, one more seal. Again at once while rows = max_rows; log the head, which is how it is remembered elsewhere.
Definer because the worker may neither read nor write the log.';
