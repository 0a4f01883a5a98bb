-- What admins allow beyond the plans, and what all may cost together.

set lock_timeout = '5s';

create function admin.limits(user_id uuid)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_month date := metering.month_of(now());
    v_plan metering.plans_of_people;
begin
    perform admin.require_admin();
    perform core.valid(user_id is not null, 'user_id', 'given');
    select p.* into v_plan from metering.plans_of_people as p where p.user_id = limits.user_id;
    if not found then
        perform core.fail('not_found', 'There is no such person.');
    end if;

    return jsonb_build_object(
        'user_id', user_id,
        'plan', v_plan.plan,
        'plan_from', coalesce(v_plan.organization_id::text, 'own'),
        'actions', (
            select jsonb_agg(
                to_jsonb(s) || jsonb_build_object(
                    'override', to_jsonb(o) - 'user_id' - 'action',
                    'override_counts', l.is_override
                ) order by l.action
            )
            from metering.limits as l
            left join public.usage as u on l.user_id = u.user_id and l.action = u.action and u.month = v_month
            left join metering.overrides as o on l.user_id = o.user_id and l.action = o.action
            cross join lateral metering.status_of(l, u, v_month) as s
            where l.user_id = limits.user_id
        )
    );
end
$$;
comment on function admin.limits(uuid) is
'Limits, overrides and usage of a person. Definer because nobody else may read them; checks that the caller is an admin.';

create function public.admin_limits(user_id uuid)
returns jsonb
language sql
stable
set search_path = ''
return admin.limits(user_id);
comment on function public.admin_limits(uuid) is
'Admins: a person''s plan and whose it is, and for every action where they stand and what was overridden, also what expired.';

create function admin.set_limit(
    user_id uuid,
    action text,
    hard_limit bigint,
    soft_limit bigint,
    cost_limit_micros bigint,
    reason text,
    expires_at timestamptz
)
returns public.usage_status
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_admin public.profiles := identity.lock_profile();
begin
    perform admin.require_admin();
    perform core.valid(user_id is not null, 'user_id', 'given');
    perform core.valid(action is not null, 'action', 'given');
    perform core.valid(reason is not null, 'reason', 'given');
    perform core.valid(expires_at > now(), 'expires_at', 'in the future');

    perform from public.profiles as p where p.id = set_limit.user_id and p.deleted_at is null for share;
    if not found then
        perform core.fail('not_found', 'There is no such person.');
    end if;
    perform metering.limits_of(user_id, action);

    insert into metering.overrides as o
    (user_id, action, soft_limit, hard_limit, cost_limit_micros, reason, expires_at, set_by)
    values
    (user_id, action, soft_limit, hard_limit, cost_limit_micros, reason, expires_at, v_admin.id)
    on conflict on constraint overrides_pkey do update
    set
        soft_limit = excluded.soft_limit, hard_limit = excluded.hard_limit,
        cost_limit_micros = excluded.cost_limit_micros, reason = excluded.reason,
        expires_at = excluded.expires_at, set_by = excluded.set_by, created_at = now();
    return metering.status(user_id, action);
end
$$;
comment on function admin.set_limit(uuid, text, bigint, bigint, bigint, text, timestamptz) is
'Overrides a plan on behalf of an admin. Definer because nobody else may write overrides.';

create function public.admin_set_limit(
    user_id uuid,
    action text,
    hard_limit bigint,
    soft_limit bigint,
    cost_limit_micros bigint,
    reason text,
    expires_at timestamptz default null
)
returns public.usage_status
language sql
volatile
set search_path = ''
return admin.set_limit(user_id, action, hard_limit, soft_limit, cost_limit_micros, reason, expires_at);
comment on function public.admin_set_limit(uuid, text, bigint, bigint, bigint, text, timestamptz) is
'Admins: replace what a person''s plan says about an action, at once and until it expires (null: until it is cleared). All three limits have to be said; null is unlimited. Returns where the person stands.';

create function admin.clear_limit(user_id uuid, action text, reason text)
returns public.usage_status
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.lock_profile();
    perform admin.require_admin();
    perform core.valid(user_id is not null, 'user_id', 'given');
    perform core.valid(action is not null, 'action', 'given');

    update metering.overrides as o
    set
        reason = coalesce(clear_limit.reason, o.reason), set_by = (select auth.uid()),
        expires_at = least(o.expires_at, now())
    where
        o.user_id = clear_limit.user_id and o.action = clear_limit.action
        and (o.expires_at is null or o.expires_at > now());
    if not found then
        perform core.fail('not_found', 'There is no such override.');
    end if;
    return metering.status(user_id, action);
end
$$;
comment on function admin.clear_limit(uuid, text, text) is
'Ends an override on behalf of an admin, and leaves it to be looked at for a month. Definer because nobody else may write overrides.';

create function public.admin_clear_limit(user_id uuid, action text, reason text default null)
returns public.usage_status
language sql
volatile
set search_path = ''
return admin.clear_limit(user_id, action, reason);
comment on function public.admin_clear_limit(uuid, text, text) is
'Admins: end an override at once, so that the plan counts again. Returns where the person stands.';

create function admin.set_budget(action text, cost_limit_micros bigint, reason text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_admin public.profiles := identity.lock_profile();
    v_month date := metering.month_of(now());
begin
    perform admin.require_admin();
    perform core.valid(
        exists (select from metering.actions as a where a.action = set_budget.action),
        'action', 'an action that is metered'
    );
    perform core.valid(cost_limit_micros is not null, 'cost_limit_micros', 'given');
    perform core.valid(reason is not null, 'reason', 'given');

    insert into metering.budgets as b (action, cost_limit_micros, reason, set_by)
    values (action, cost_limit_micros, reason, v_admin.id)
    on conflict on constraint budgets_pkey do update
    set cost_limit_micros = excluded.cost_limit_micros, reason = excluded.reason, set_by = excluded.set_by;
    return (
        select jsonb_build_object(
            'action', b.action, 'cost_limit_micros', b.cost_limit_micros, 'month', v_month,
            'cost_micros', coalesce(s.cost_micros, 0), 'held_cost_micros', coalesce(s.held_cost_micros, 0),
            'resets_at', metering.resets_at(v_month)
        )
        from metering.budgets as b
        left join metering.spending as s on b.action = s.action and s.month = v_month
        where b.action = set_budget.action
    );
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
'Admins: what an action may cost in a month, all people together, in millionths of a US dollar. Returns it beside what is spent and held.';
