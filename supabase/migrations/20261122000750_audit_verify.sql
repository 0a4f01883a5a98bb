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
    from_seal bigint,
    retired jsonb
);
comment on type audit.verdict is
'finding: ok, row_changed, row_removed, row_inserted, retirement_unproven, retirement_unsealed, seal_changed, seal_removed or head_missing.
head: the last good seal''s hash. from_seal: the first seal all of whose rows had to be there.
retired: the months that are not there, each with partition, rows, at, by and row_id; read it before trusting an ok.';

create function audit.check_rows(seal audit.seals, previous audit.seals, retired int8multirange)
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
            when s.id is null or s.hash = f.hash then 'row_inserted'
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
        case
            when s.id <@ retired then f.id is not null or exists (select from audit.log as l where l.id = s.id)
            else s.hash is distinct from f.hash
        end
    order by 2
    limit 1;
end
$$;
comment on function audit.check_rows(audit.seals, audit.seals, int8multirange) is
'The lowest row of one seal''s range that is not as sealed, or nothing. Retired rows must be missing, all others must be there.';

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
    v_retirements audit.retirement[];
    v_retired int8multirange;
    v_retired_until bigint := 0;
begin
    perform core.valid(from_seal is not null and from_seal >= 1, 'from_seal', 'the number of a seal');
    select array_agg(r order by r.row_id) into v_retirements from audit.retirements(verify.from_seal) as r;
    select
        greatest(verify.from_seal, max(r.through_seal) + 1),
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'partition', r.partition_name, 'rows', r.row_count, 'at', r.retired_at, 'by', r.retired_by, 'row_id', r.row_id
                )
                order by r.partition_name
            ),
            '[]'
        )
    into v_verdict.from_seal, v_verdict.retired
    from unnest(v_retirements) as r
    where r.finding is distinct from 'retirement_unproven';

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

        if v_seal.id > v_retired_until then
            -- Which ids are retired here, and up to which seal this is the answer.
            select
                coalesce(range_agg(r.ids) filter (where r.from_seal <= v_seal.id), '{}'),
                min(case when r.from_seal <= v_seal.id then r.through_seal else r.from_seal - 1 end)
            into v_retired, v_retired_until
            from unnest(v_retirements) as r
            where r.finding is distinct from 'retirement_unproven' and r.through_seal >= v_seal.id;
        end if;
        select c.* into v_found from audit.check_rows(v_seal, v_previous, v_retired) as c;
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

    -- After the seals, so that a row which was forged is called that.
    if v_verdict.finding is null or v_verdict.row_id is not null then
        select r.finding, r.row_id, r.sealed_in into v_found
        from unnest(v_retirements) as r
        where r.finding is not null and (v_verdict.row_id is null or r.row_id < v_verdict.row_id)
        order by r.row_id
        limit 1;
        if found then
            v_verdict.finding := v_found.finding;
            v_verdict.row_id := v_found.row_id;
            v_verdict.seal_id := v_found.sealed_in;
        end if;
    end if;
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
'ok with head and counts, or the lowest row that was changed, removed or inserted since it was sealed, or the first broken seal, or the first retirement that is not borne out by the seals or not sealed itself.
Rows may be missing only if a retirement names them one by one; it lists all retirements, because an owner can forge one, but not hide it.
Only a head remembered elsewhere tells that the end of the chain was cut off or rewritten: pass it as expected_head; any earlier head will do.
Rows not sealed yet are counted and not proven. With from_seal only that seal and later ones are read, for which the one before must have been proven once; a head from before it counts as missing.';
