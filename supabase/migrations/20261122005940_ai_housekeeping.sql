-- Flights whose edge died and that nobody follows, answers whose time is over, texts that
-- were kept long enough.

set lock_timeout = '5s';

create function ai.tidy(payload jsonb default '{}')
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_abandoned integer := 0;
    v_answers integer;
    v_texts integer;
    v_requests integer;
    v_id uuid;
begin
    -- One a run: it ends with the row that everybody waits for, and so must the transaction.
    select r.id into v_id
    from ai.requests as r
    where r.outcome = 'under_way' and r.lease_until < clock_timestamp() - interval '1 minute'
    order by r.lease_until
    limit 1;
    if found then
        perform jobs.enqueue('ai.tidy', tidy.payload - 'slot');
    end if;

    delete from ai.answers as a
    where a.key = any (array(select e.key from ai.answers as e where e.expires_at < now() limit 50000));
    get diagnostics v_answers = row_count;

    update ai.requests as r
    set prompt = null, output = null
    where r.id = any (array(
        select t.id
        from ai.requests as t
        where (t.prompt is not null or t.output is not null) and t.created_at < now() - interval '30 days'
        limit 50000
    ));
    get diagnostics v_texts = row_count;

    delete from ai.requests as r
    where r.id = any (
        array(
            select o.id from ai.requests as o
            where o.created_at < now() - interval '400 days' and o.outcome <> 'under_way'
            limit 50000
        )
        || array(
            select g.id from ai.requests as g
            where g.created_at < now() - interval '30 days' and g.outcome in ('hit', 'followed')
            limit 50000
        )
    );
    get diagnostics v_requests = row_count;
    if v_id is not null then
        v_abandoned := ai.abandon(v_id)::integer;
    end if;
    return jsonb_build_object(
        'abandoned', v_abandoned, 'answers', v_answers, 'texts', v_texts, 'requests', v_requests
    );
end
$$;
comment on function ai.tidy(jsonb) is
'Ends what its edge left behind, deletes answers that expired, texts and what cost nothing after 30 days, and the log after 400.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('ai.tidy', 'sql', 'ai.tidy', 5, 'Ends AI calls whose edge died, deletes what was kept long enough.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('tidy_ai', '*/5 * * * *', 'ai.tidy', '7 days');
