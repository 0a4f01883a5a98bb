-- A full bucket is worth no row.

set lock_timeout = '5s';

create function metering.forget_full_buckets(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    -- Bounded; skips what is in use and looks again at what it waited for.
    delete from metering.buckets as b
    where b.ctid = any (array(
        select o.ctid from metering.buckets as o
        where o.full_at < clock_timestamp() - interval '1 minute'
        limit 50000
        for update skip locked
    ));
    get diagnostics v_count = row_count;
    if v_count = 50000 then
        perform jobs.enqueue('metering.forget_full_buckets', forget_full_buckets.payload - 'slot', now() + interval '1 second');
    end if;
    return jsonb_build_object('buckets', v_count);
end
$$;
comment on function metering.forget_full_buckets(jsonb) is
'Deletes buckets that have been full for a minute: no row says the same.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('metering.forget_full_buckets', 'sql', 'metering.forget_full_buckets', 3, 'Deletes full buckets.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('forget_full_buckets', '*/10 * * * *', 'metering.forget_full_buckets', '7 days');
