-- A partition for each month, made ahead. A month without one goes to the default
-- partition: a late housekeeper may cost order, never a customer's write.

set lock_timeout = '5s';

create function audit.guard_partition(partition_name text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- Neither row level security nor truncate triggers come from the parent.
    execute format('alter table audit.%I enable row level security, force row level security', partition_name);
    execute format(
        'create trigger _120_refuse_truncation before truncate on audit.%I for each statement '
        'execute function audit.refuse(%L)', partition_name, 'The audit log is append-only.'
    );
    execute format('alter table audit.%I enable always trigger _120_refuse_truncation', partition_name);
end
$$;
comment on function audit.guard_partition(text) is
'Gives a partition of the log what it does not inherit, so that addressing it directly opens nothing.';

create table audit.log_default partition of audit.log default;
comment on table audit.log_default is 'Rows of months that had no partition when they came. They stay here, readable and sealed like all others.';
select audit.guard_partition('log_default');

create function audit.create_partitions(months_ahead integer default 3)
returns integer
language plpgsql
volatile
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    v_first timestamp := date_trunc('month', now() at time zone 'UTC');
    v_month timestamp;
    v_name text;
    v_made integer := 0;
begin
    for v_month in
        select g.month
        from generate_series(v_first, v_first + make_interval(months => months_ahead), interval '1 month') as g (month)
    loop
        v_name := to_char(v_month, '"log_"YYYY_MM');
        continue when to_regclass(format('audit.%I', v_name)) is not null;

        -- Only one of two housekeepers gets on, and no row of the month slips into the default meanwhile.
        lock table audit.log_default in access exclusive mode;
        continue when to_regclass(format('audit.%I', v_name)) is not null;

        -- Rows of a month that came too early for it cannot be moved out of the default
        -- partition, being append-only; so that month stays there as a whole.
        continue when exists (
            select from audit.log_default as d
            where d.at >= v_month at time zone 'UTC' and d.at < (v_month + interval '1 month') at time zone 'UTC'
        );

        -- Attached rather than created in place, which would stop every writer.
        execute format('create table audit.%I (like audit.log including defaults)', v_name);
        perform audit.guard_partition(v_name);
        execute format(
            'alter table audit.log attach partition audit.%I for values from (%L) to (%L)', v_name,
            to_char(v_month, 'YYYY-MM-DD"T00:00:00Z"'),
            to_char(v_month + interval '1 month', 'YYYY-MM-DD"T00:00:00Z"')
        );
        v_made := v_made + 1;
    end loop;
    return v_made;
end
$$;
comment on function audit.create_partitions(integer) is
'Makes the partitions of this month and the months ahead that are missing, and returns how many. Months are UTC.
A month that already has rows in the default partition is left there. Called with every sealing, so that it is never due.';

select audit.create_partitions(3);
