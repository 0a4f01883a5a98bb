-- What all people together may cost.

set lock_timeout = '5s';

create type public.admin_budget as (
    action text,
    name text,
    cost_limit_micros bigint,
    cost_micros bigint,
    held_cost_micros bigint,
    month date,
    resets_at timestamptz,
    reason text
);
comment on type public.admin_budget is
'What all people together may cost this month and do, in millionths of a US dollar. No limit (null): nothing may be spent.';

create view admin.all_budgets with (security_invoker = true) as
select
    a.action,
    a.name,
    b.cost_limit_micros,
    b.reason,
    m.month,
    coalesce(s.cost_micros, 0) as cost_micros,
    coalesce(s.held_cost_micros, 0) as held_cost_micros,
    metering.resets_at(m.month) as resets_at
from metering.actions as a
cross join lateral (values (metering.month_of(now()))) as m (month)
left join metering.budgets as b on a.action = b.action
left join metering.spending as s on a.action = s.action and m.month = s.month
where b.action is not null or s.action is not null;
comment on view admin.all_budgets is
'Of what has a budget, or cost something this month.';

create function admin.budgets()
returns setof public.admin_budget
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    perform admin.require_admin();
    return query
    select
        b.action, b.name, b.cost_limit_micros, b.cost_micros, b.held_cost_micros, b.month, b.resets_at,
        b.reason
    from admin.all_budgets as b
    order by b.action;
end
$$;
comment on function admin.budgets() is
'Budgets and what is spent of them. Definer because nobody else may read them; checks that the caller is an admin.';

create function public.admin_budgets()
returns setof public.admin_budget
language sql
stable
set search_path = ''
begin atomic
    select
        b.action, b.name, b.cost_limit_micros, b.cost_micros, b.held_cost_micros, b.month, b.resets_at,
        b.reason
    from admin.budgets() as b;
end;
comment on function public.admin_budgets() is
'Admins: what each action may cost this month, all people together, what it cost, what is held for calls under way, and when it begins anew.';

create function admin.set_budget(action text, cost_limit_micros bigint, reason text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_admin public.profiles := identity.lock_profile();
    v_budget jsonb;
begin
    perform admin.require_admin();
    perform core.valid(
        exists (select from metering.actions as a where a.action = set_budget.action),
        'action', 'an action that is metered'
    );
    perform core.valid(reason is not null, 'reason', 'given');

    if cost_limit_micros is null then
        -- Who and why goes into the audit log before the row goes.
        update metering.budgets as b
        set reason = set_budget.reason, set_by = v_admin.id
        where b.action = set_budget.action;
        delete from metering.budgets as b where b.action = set_budget.action;
        if not found then
            perform core.fail('not_found', 'There is no budget for this action.');
        end if;
        return null;
    end if;

    insert into metering.budgets as b (action, cost_limit_micros, reason, set_by)
    values (action, cost_limit_micros, reason, v_admin.id)
    on conflict on constraint budgets_pkey do update
    set cost_limit_micros = excluded.cost_limit_micros, reason = excluded.reason, set_by = excluded.set_by;
    select to_jsonb(b) into v_budget from admin.all_budgets as b where b.action = set_budget.action;
    return v_budget;
end
$$;
comment on function admin.set_budget(text, bigint, text) is
'Sets what all people together may cost. Definer because nobody else may write budgets.';

create function public.admin_set_budget(action text, cost_limit_micros bigint, reason text)
returns jsonb
language sql
volatile
set search_path = ''
return admin.set_budget(action, cost_limit_micros, reason);
comment on function public.admin_set_budget(text, bigint, text) is
'Admins: what an action may cost in a month, all people together, in millionths of a US dollar. Returns it beside what is spent and held. Null takes the budget away: then nothing may be spent.';
