-- Staging work: a row in the caller's transaction, so that it exists exactly if the
-- change that asked for it does. No NOTIFY: it would serialize the commits of all writers.

set lock_timeout = '5s';

create function jobs.enqueue(
    kind text,
    payload jsonb default '{}',
    run_at timestamptz default now(),
    unique_key text default null,
    priority integer default 0
)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column -- for the arbiters of `on conflict`, which cannot be qualified
declare
    v_run_at timestamptz := greatest(coalesce(run_at, now()), now());
    v_id bigint;
begin
    perform from jobs.kinds as k where k.kind = enqueue.kind;
    if not found then
        perform core.fail(
            'validation_failed', 'Declare the kind in jobs.kinds first.',
            jsonb_build_object('field', 'kind', 'rule', 'a declared kind of job')
        );
    end if;

    -- More than once only if the twin finishes between the two statements.
    loop
        insert into jobs.queue (state, turn, run_at, kind, payload, unique_key, priority)
        values (
            case when v_run_at <= now() then 'ready' else 'scheduled' end,
            jobs.turn(v_run_at, coalesce(priority, 0)), v_run_at, kind, coalesce(payload, '{}'), unique_key,
            least(greatest(coalesce(priority, 0), -101), 101)
        )
        on conflict (kind, unique_key) where unique_key is not null do nothing
        returning id into v_id;
        exit when found;

        select q.id into v_id
        from jobs.queue as q
        where q.kind = enqueue.kind and q.unique_key = enqueue.unique_key;
        exit when found;
    end loop;
    return v_id;
end
$$;
comment on function jobs.enqueue(text, jsonb, timestamptz, text, integer) is
'Stages a job in the caller''s transaction and returns its id. With the unique_key of an unfinished job of this kind (scheduled, ready or running) it changes nothing and returns that one: use no key when work that has begun must not count.';

create function jobs.enqueue_all(
    kind text,
    payloads jsonb[],
    unique_keys text[] default null,
    run_at timestamptz default now(),
    priority integer default 0
)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column -- for the arbiters of `on conflict`, which cannot be qualified
declare
    v_run_at timestamptz := greatest(coalesce(run_at, now()), now());
    v_count integer;
begin
    perform from jobs.kinds as k where k.kind = enqueue_all.kind;
    if not found then
        perform core.fail(
            'validation_failed', 'Declare the kind in jobs.kinds first.',
            jsonb_build_object('field', 'kind', 'rule', 'a declared kind of job')
        );
    end if;

    insert into jobs.queue (state, turn, run_at, kind, payload, unique_key, priority)
    select
        case when v_run_at <= now() then 'ready' else 'scheduled' end,
        jobs.turn(v_run_at, priority), v_run_at, kind, p.payload, p.unique_key, priority
    from unnest(payloads, unique_keys) as p (payload, unique_key)
    order by p.unique_key -- two callers with the same keys do not deadlock
    on conflict (kind, unique_key) where unique_key is not null do nothing;
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function jobs.enqueue_all(text, jsonb[], text[], timestamptz, integer) is
'Stages many jobs of one kind in one statement; returns how many are new. The same rules as jobs.enqueue.';
