-- Workers take jobs under a lease and keep it alive. Nothing here depends on the
-- session, so that a pooler in transaction mode may stand in between.

set lock_timeout = '5s';

create function jobs.promote(batch integer)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    update jobs.queue as q
    set state = 'ready'
    where
        q.id = any (array(
            select s.id from jobs.queue as s
            where s.state = 'scheduled' and s.run_at <= now()
            order by s.run_at
            limit batch
            for update skip locked
        ));
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function jobs.promote(integer) is
'Makes scheduled jobs ready once they are due. A state of its own keeps a million jobs of next week out of the way of every claim.';

create function jobs.bury_orphans()
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform jobs.bury(q, 'dead', 'Nobody declares this kind any more.', null, interval '90 days')
    from jobs.queue as q
    where
        q.id = any (array(
            select r.id from jobs.queue as r
            where r.state = 'ready' and not exists (select from jobs.kinds as k where k.kind = r.kind)
            order by r.turn, r.id
            limit 1000
            for update of r skip locked
        ));
end
$$;
comment on function jobs.bury_orphans() is
'Ends ready jobs whose kind is gone, so that they do not stand before all others.';

create function edge.claim_jobs(worker text, batch integer)
returns table (
    id bigint,
    lease bigint,
    kind text,
    handler text,
    payload jsonb,
    attempt integer,
    idempotency_key uuid,
    lease_seconds integer
)
language plpgsql
volatile
security definer
set search_path = ''
-- Planned once a session instead of with every call, which cost as much as the claim. Such a plan may be made while
-- the queue is empty and has to serve when it is long, so only the indexes are offered.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    -- Not only one more than before: a crash may forget this claim, and the token must not be given again.
    v_token bigint := extract(epoch from clock_timestamp()) * 1000000;
    v_count integer;
begin
    -- A forgotten claim is a ready job again, and whoever holds its token is fenced. So nobody waits for the disk:
    -- the commit that ends the job does, and takes the claim along.
    perform set_config('synchronous_commit', 'off', true);
    if exists (select from jobs.queue as s where s.state = 'scheduled' and s.run_at <= now()) then
        perform jobs.promote(1000);
    end if;

    -- An array, because joined to the subquery the update would scan the whole table.
    return query
    update jobs.queue as q
    set
        state = 'running',
        lease = greatest(q.lease + 1, v_token),
        leased_until = clock_timestamp() + make_interval(secs => k.lease_seconds),
        worker = left(claim_jobs.worker, 200)
    from jobs.kinds as k
    where
        q.id = any (array(
            select r.id from jobs.queue as r
            where r.state = 'ready'
            order by r.turn, r.id
            limit least(batch, 1000)
            for update skip locked
        ))
        and k.kind = q.kind
    returning
        q.id, q.lease, q.kind, k.handler, q.payload, q.attempts + 1, q.idempotency_key, k.lease_seconds;

    -- With less than it has room for, the worker took the rest of the queue, or met orphans.
    get diagnostics v_count = row_count;
    if v_count < batch and exists (
        select from jobs.queue as r
        where r.state = 'ready' and not exists (select from jobs.kinds as k where k.kind = r.kind)
    ) then
        perform jobs.bury_orphans();
    end if;
end
$$;
comment on function edge.claim_jobs(text, integer) is
'Takes up to so many ready jobs, each under a lease with a new fencing token; in a transaction of its own, since a crash of the server may forget it. Definer because the worker may not read the queue.';

create function edge.heartbeat(ids bigint[], leases bigint[])
returns bigint[]
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_lost bigint[];
begin
    -- A row that edge.run_job has locked is alive by that, and is not reaped either.
    update jobs.queue as q
    set leased_until = clock_timestamp() + make_interval(secs => k.lease_seconds)
    from jobs.kinds as k
    where
        q.id = any (array(
            select r.id from jobs.queue as r
            inner join unnest(ids, leases) as h (id, lease) on r.id = h.id and r.lease = h.lease
            where r.state = 'running'
            for update of r skip locked
        ))
        and k.kind = q.kind;

    select array_agg(h.id) into v_lost
    from unnest(ids, leases) as h (id, lease)
    where not exists (
        select from jobs.queue as q where q.id = h.id and q.lease = h.lease and q.state = 'running'
    );
    return coalesce(v_lost, '{}');
end
$$;
comment on function edge.heartbeat(bigint[], bigint[]) is
'Extends the leases that the worker still holds; returns the ids of those that it lost. Definer because the worker may not write the queue.';

create function edge.release_jobs(ids bigint[], leases bigint[])
returns integer
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_count integer;
begin
    update jobs.queue as q
    set state = 'ready', leased_until = null, worker = null
    where
        q.id = any (array(
            select r.id from jobs.queue as r
            inner join unnest(ids, leases) as h (id, lease) on r.id = h.id and r.lease = h.lease
            where r.state = 'running'
            order by r.id
            for update of r
        ));
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function edge.release_jobs(bigint[], bigint[]) is
'Gives jobs back that a stopping worker will not finish; nothing counts against them. Definer because the worker may not write the queue.';
