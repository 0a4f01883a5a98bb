-- What the whole installation may spend on an action in a month. One row that everybody
-- writes: it is locked last in a transaction, and only by what costs something.

set lock_timeout = '5s';

create table metering.budgets (
    action text constraint budgets_pkey primary key
    constraint budgets_action_fkey references metering.actions (action),
    cost_limit_micros bigint not null,
    reason text,
    set_by uuid,
    constraint cost_limit_is_no_less_than_zero check (core.valid(
        cost_limit_micros >= 0, 'cost_limit_micros', 'at least 0'
    )),
    constraint reason_is_bounded check (core.valid(
        core.is_one_line(reason, 500), 'reason', 'one line of 1 to 500 characters'
    ))
);
comment on table metering.budgets is
'The most that an action may cost in a month, all people together, in millionths of a US dollar. Without a row nothing may be spent.';

create table metering.spending (
    action text not null,
    month date not null,
    cost_micros bigint not null default 0,
    held_cost_micros bigint not null default 0,
    constraint spending_pkey primary key (action, month),
    constraint spending_is_not_negative check (cost_micros >= 0 and held_cost_micros >= 0)
) with (fillfactor = 10);
comment on table metering.spending is
'What an action cost in a month, and what is held for calls under way: the sums of public.usage, kept so that a budget can be decided by one row.';

insert into metering.budgets (action, cost_limit_micros) values ('ai', 100000000);

select audit.track('metering.budgets', key => '{action}');

create function metering.spend(action text, month date, cost_micros bigint, held_cost_micros bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    if cost_micros = 0 and held_cost_micros = 0 then
        return;
    end if;
    update metering.spending as s
    set
        cost_micros = s.cost_micros + spend.cost_micros,
        held_cost_micros = s.held_cost_micros + spend.held_cost_micros
    where s.action = spend.action and s.month = spend.month;
    if not found then
        insert into metering.spending as s (action, month, cost_micros, held_cost_micros)
        values (action, month, spend.cost_micros, spend.held_cost_micros)
        on conflict on constraint spending_pkey do update
        set
            cost_micros = s.cost_micros + excluded.cost_micros,
            held_cost_micros = s.held_cost_micros + excluded.held_cost_micros;
    end if;
end
$$;
comment on function metering.spend(text, date, bigint, bigint) is
'Adds what was spent and what is held, either of which may be negative. Facts: no budget is asked.';

create function metering.hold_budget(action text, month date, cost_micros bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_budget bigint;
    v_expired bigint := 0;
    v_now timestamptz;
begin
    if cost_micros = 0 then
        return;
    end if;
    select b.cost_limit_micros into v_budget from metering.budgets as b where b.action = hold_budget.action;

    for v_try in 1 .. 2 loop
        insert into metering.spending as s (action, month, held_cost_micros)
        select hold_budget.action, hold_budget.month, hold_budget.cost_micros
        where hold_budget.cost_micros <= v_budget
        on conflict on constraint spending_pkey do update
        set held_cost_micros = s.held_cost_micros + excluded.held_cost_micros
        where s.cost_micros + s.held_cost_micros - v_expired + excluded.held_cost_micros <= v_budget;
        if found then
            return;
        end if;

        -- The refused attempt has locked the row, so that nobody can take expired holds out of it
        -- while they are added up.
        v_now := clock_timestamp();
        select coalesce(sum(r.cost_micros), 0) into v_expired
        from metering.reservations as r
        where
            r.status = 'held' and r.expires_at <= v_now
            and r.action = hold_budget.action and r.month = hold_budget.month;
        exit when v_expired = 0;
    end loop;

    perform core.fail(
        'provider_unavailable',
        format(
            'The product''s budget for this action does not allow this call until %s.',
            metering.until(month)
        ),
        jsonb_build_object(
            'action', action, 'scope', 'installation', 'reason', 'budget', 'resets_at', metering.resets_at(month)
        )
    );
end
$$;
comment on function metering.hold_budget(text, date, bigint) is
'Holds money of the installation''s budget, or refuses. Called last in a transaction, because everybody waits for this row.';
