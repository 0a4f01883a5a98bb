-- What nobody ended, and what is over.

set lock_timeout = '5s';

insert into jobs.email_templates (template, params, description) values
(
    'usage_budget',
    '{"action": "text", "percent": "integer", "spent_micros": "integer", "budget_micros": "integer",
      "resets_at": "timestamp"}',
    'To the owners of the product: a month''s budget is nearly or wholly spent.'
);

create function metering.end_all_expired_holds()
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_count integer := 0;
    v_row record;
begin
    -- Rows that somebody is working on are left to them, or to the next minute: so nobody waits for
    -- this, and this waits for nobody.
    for v_row in
        with busy as (
            select distinct r.user_id, r.action, r.month
            from metering.reservations as r
            where r.status = 'held' and r.expires_at <= v_now
            limit 2000
        ),

        locked as (
            select u.user_id, u.action, u.month
            from busy as b
            inner join public.usage as u on b.user_id = u.user_id and b.action = u.action and b.month = u.month
            for no key update of u skip locked
        ),

        ended as (
            update metering.reservations as r
            set status = 'expired', ended_at = v_now
            from locked as l
            where
                r.user_id = l.user_id and r.action = l.action and r.month = l.month
                and r.status = 'held' and r.expires_at <= v_now
            returning r.user_id, r.action, r.month, r.amount, r.cost_micros
        ),

        freed as (
            select
                e.user_id, e.action, e.month, count(*) as holds,
                sum(e.amount)::bigint as amount, sum(e.cost_micros)::bigint as cost_micros
            from ended as e
            group by e.user_id, e.action, e.month
        ),

        given_back as (
            update public.usage as u
            set held = u.held - f.amount, held_cost_micros = u.held_cost_micros - f.cost_micros
            from freed as f
            where u.user_id = f.user_id and u.action = f.action and u.month = f.month
            returning f.action, f.month, f.holds, f.cost_micros
        )

        select g.action, g.month, sum(g.holds) as holds, sum(g.cost_micros)::bigint as cost_micros
        from given_back as g
        group by g.action, g.month
        order by g.action, g.month
    loop
        v_count := v_count + v_row.holds;
        perform metering.spend(v_row.action, v_row.month, 0, -v_row.cost_micros);
    end loop;
    return v_count;
end
$$;
comment on function metering.end_all_expired_holds() is
'Gives back what expired, of everybody. Only tidies: what expired has counted for nobody since that moment.';

create function metering.warn_owners()
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer := 0;
    v_row record;
begin
    for v_row in
        select
            a.action, a.name, s.month, b.cost_limit_micros,
            s.cost_micros + s.held_cost_micros as spent_micros
        from metering.spending as s
        inner join metering.budgets as b on s.action = b.action
        inner join metering.actions as a on s.action = a.action
        where
            s.month = metering.month_of(now())
            and s.cost_micros + s.held_cost_micros >= b.cost_limit_micros * 0.8
    loop
        v_count := v_count + 1;
        perform billing.mail_owners(
            'usage_budget',
            jsonb_build_object(
                'action', v_row.name, 'spent_micros', v_row.spent_micros,
                'budget_micros', v_row.cost_limit_micros,
                'percent', floor(100.0 * v_row.spent_micros / greatest(v_row.cost_limit_micros, 1))::bigint,
                'resets_at', metering.resets_at(v_row.month)
            ),
            format('usage_budget:%s:%s:%s', v_row.action, to_char(v_row.month, 'YYYY-MM'), v_row.cost_limit_micros)
        );
    end loop;
    return v_count;
end
$$;
comment on function metering.warn_owners() is
'Budgets of which four fifths are spent or held: one mail a month and budget, while there is still time to raise it. Here and not where calls are refused, because a refusal takes its mail back.';

create function metering.tidy(payload jsonb)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select jsonb_build_object(
        'expired_holds', metering.end_all_expired_holds(), 'budgets_nearly_spent', metering.warn_owners()
    );
$$;
comment on function metering.tidy(jsonb) is 'Every minute: ends holds that nobody ended, tells the owners of budgets that run out.';

create function metering.clean_up(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_reservations integer;
    v_overrides integer;
begin
    -- Bounded, so that a long pause ends in several short transactions instead of a long one.
    delete from metering.reservations as r
    where r.id = any (array(
        select e.id from metering.reservations as e
        where e.created_at < now() - interval '30 days' and e.status <> 'held'
        limit 50000
    ));
    get diagnostics v_reservations = row_count;
    delete from metering.overrides as o where o.expires_at < now() - interval '30 days';
    get diagnostics v_overrides = row_count;

    if v_reservations = 50000 then
        perform jobs.enqueue('metering.clean_up', clean_up.payload - 'slot', now() + interval '10 seconds');
    end if;
    return jsonb_build_object('reservations', v_reservations, 'overrides', v_overrides);
end
$$;
comment on function metering.clean_up(jsonb) is
'Deletes reservations that are older than 30 days, like idempotency keys, and overrides that expired as long ago. Usage stays.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('metering.tidy', 'sql', 'metering.tidy', 3, 'Ends expired holds, tells owners of budgets that run out.'),
('metering.clean_up', 'sql', 'metering.clean_up', 5, 'Deletes old reservations and overrides.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('tidy_usage', '* * * * *', 'metering.tidy', '2 days'),
('clean_up_usage', '47 4 * * *', 'metering.clean_up', '400 days');
