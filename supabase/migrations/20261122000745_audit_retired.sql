-- What the log says about months that were taken out of it, believed only as far as the seals bear it out.
--
-- A retirement is a row of the log: action retire_month, no table_name, and as changes
--
--   partition     log_YYYY_MM, which is no partition of the log any more
--   at, by        when it was retired (over by then) and by whom
--   rows, ids     how many rows, and the id of each as ranges: {[1,6),[9,10)}
--   from_seal,    the first and the last seal that covers one of them, null if there are none
--   through_seal
--   digest        SHA-256 (lower-case hex) over one SHA-256 for each of these seals in turn, which is over
--                 the hashes of the seal's retired rows, in the seal's order
--
-- It is proven if all of that is so, and if a seal after through_seal covers the row itself.

set lock_timeout = '5s';

create type audit.retirement as (
    row_id bigint,
    finding text,
    sealed_in bigint,
    partition_name text,
    retired_at timestamptz,
    retired_by text,
    row_count bigint,
    ids int8multirange,
    from_seal bigint,
    through_seal bigint
);
comment on type audit.retirement is
'A retirement as the log tells it, and what is wrong with it. finding: null, retirement_unsealed (right, but nothing vouches for it yet) or retirement_unproven.';

create function audit.sealed_rows(ids int8multirange, from_seal bigint, through_seal bigint)
returns table (row_count bigint, digest text)
language sql
stable
set search_path = ''
as $$
    select
        coalesce(sum(b.row_count), 0)::bigint,
        encode(sha256(coalesce(string_agg(b.digest, ''::bytea order by s.id), '')), 'hex')
    from audit.seals as s
    -- Fetched once a seal and not once a row; and no row is sorted together with the hashes of all.
    cross join lateral (select s.row_hashes || ''::bytea as row_hashes offset 0) as h
    cross join lateral (
        select
            count(*) as row_count,
            sha256(string_agg(substr(h.row_hashes, (32 * u.place - 31)::integer, 32), ''::bytea order by u.place)) as digest
        from unnest(s.row_ids) with ordinality as u (id, place)
        where u.id <@ sealed_rows.ids
    ) as b
    where s.id between sealed_rows.from_seal and sealed_rows.through_seal and b.row_count > 0;
$$;
comment on function audit.sealed_rows(int8multirange, bigint, bigint) is
'How many of these rows the seals know, and their digest. Read from the seals alone: the rows may be gone.';

create function audit.retirements(unproven_from_seal bigint)
returns setof audit.retirement
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
    v_entry audit.log;
    v_claim jsonb;
    v_is audit.retirement;
    v_ends timestamptz;
    v_proven boolean;
    v_seen text[] := '{}';
begin
    for v_entry in
        select l.* from audit.log as l
        where l.action = 'retire_month' and l.table_name is null
        order by l.id
    loop
        v_claim := v_entry.changes;
        v_is := null;
        v_is.row_id := v_entry.id;
        v_is.finding := 'retirement_unproven';
        if (
            v_claim ->> 'partition' ~ '^log_[1-9][0-9]{3}_(0[1-9]|1[0-2])$'
            and v_claim ->> 'by' <> ''
            and pg_input_is_valid(v_claim ->> 'at', 'timestamptz')
            and pg_input_is_valid(v_claim ->> 'rows', 'bigint')
            and pg_input_is_valid(v_claim ->> 'ids', 'int8multirange')
            and pg_input_is_valid(coalesce(v_claim ->> 'from_seal', '0'), 'bigint')
            and pg_input_is_valid(coalesce(v_claim ->> 'through_seal', '0'), 'bigint')
        ) is not true then
            return next v_is;
            continue;
        end if;

        v_is.partition_name := v_claim ->> 'partition';
        v_is.retired_at := v_claim ->> 'at';
        v_is.retired_by := v_claim ->> 'by';
        v_is.row_count := v_claim ->> 'rows';
        v_is.ids := v_claim ->> 'ids';
        v_is.from_seal := v_claim ->> 'from_seal';
        v_is.through_seal := v_claim ->> 'through_seal';
        select s.id into v_is.sealed_in
        from audit.seals as s
        where (s.through_transaction, s.through_id) >= (v_entry.transaction_id, v_entry.id)
        order by s.id
        limit 1;

        v_ends := (to_date(v_is.partition_name, '"log_"YYYY_MM') + interval '1 month') at time zone 'UTC';
        v_proven := v_is.partition_name <> all (v_seen)
            and v_is.retired_at between v_ends and v_entry.at
            and not lower_inf(v_is.ids) and not upper_inf(v_is.ids)
            and (v_is.row_count = 0) = (v_is.through_seal is null)
            and (v_is.row_count = 0) = (v_is.from_seal is null)
            and coalesce(v_is.sealed_in > v_is.through_seal, true)
            and not exists (
                select from pg_catalog.pg_inherits as i
                inner join pg_catalog.pg_class as c on i.inhrelid = c.oid
                where i.inhparent = 'audit.log'::regclass and c.relname::text = v_is.partition_name
            )
            and v_is.row_count = (
                select coalesce(sum(upper(r.ids)::numeric - lower(r.ids)::numeric), 0) from unnest(v_is.ids) as r (ids)
            );
        -- What was proven once together with its seal is not counted again.
        if v_proven and (v_is.sealed_in is null or v_is.sealed_in >= unproven_from_seal) then
            select r.row_count = v_is.row_count and r.digest = v_claim ->> 'digest' into v_proven
            from audit.sealed_rows(v_is.ids, v_is.from_seal, v_is.through_seal) as r;
        end if;
        v_seen := v_seen || v_is.partition_name;
        if v_proven then
            v_is.finding := case when v_is.sealed_in is null then 'retirement_unsealed' end;
        end if;
        return next v_is;
    end loop;
end
$$;
comment on function audit.retirements(bigint) is
'All retirements that the log tells of, each compared with the seals. Whatever a row claims, it raises nothing.';
