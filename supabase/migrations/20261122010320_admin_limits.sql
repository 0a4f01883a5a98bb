-- What admins allow beyond the plans.

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
    expires_at timestamptz,
    unlimited text[]
)
returns public.usage_status
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_admin public.profiles := admin.require_admin();
    v_said text[] := array_remove(array[
        case when hard_limit is not null then 'hard_limit' end,
        case when soft_limit is not null then 'soft_limit' end,
        case when cost_limit_micros is not null then 'cost_limit_micros' end
    ], null);
    v_now metering.limits;
begin
    perform core.valid(user_id is not null, 'user_id', 'given');
    perform core.valid(action is not null, 'action', 'given');
    perform core.valid(reason is not null, 'reason', 'given');
    perform core.valid(expires_at > now(), 'expires_at', 'in the future');
    perform core.valid(unlimited is not null, 'unlimited', 'given');
    perform core.valid(
        unlimited <@ array['hard_limit', 'soft_limit', 'cost_limit_micros'], 'unlimited',
        'names among hard_limit, soft_limit, cost_limit_micros'
    );
    perform core.valid(not unlimited && v_said, 'unlimited', 'about limits that are not given a number as well');

    -- What is not said stays as the admin before left it, so admins go one after the other.
    perform
    from public.profiles as p
    where p.id in (v_admin.id, set_limit.user_id)
    order by p.id
    for no key update;
    perform admin.require_admin();
    if not exists (
        select from public.profiles as p where p.id = set_limit.user_id and p.deleted_at is null
    ) then
        perform core.fail('not_found', 'There is no such person.');
    end if;
    v_now := metering.limits_of(user_id, action);
    perform core.valid(
        v_now.is_override or cardinality(v_said || unlimited) > 0, 'hard_limit', 'given, or another limit'
    );
    hard_limit := case when not 'hard_limit' = any (unlimited) then coalesce(hard_limit, v_now.hard_limit) end;
    soft_limit := case
        when 'soft_limit' = any (unlimited) then null
        -- Lowered with a hard limit that would be below it.
        else coalesce(soft_limit, case when v_now.soft_limit is not null then least(v_now.soft_limit, hard_limit) end)
    end;
    cost_limit_micros := case
        when not 'cost_limit_micros' = any (unlimited) then coalesce(cost_limit_micros, v_now.cost_limit_micros)
    end;

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
comment on function admin.set_limit(uuid, text, bigint, bigint, bigint, text, timestamptz, text[]) is
'Overrides a plan on behalf of an admin. Definer because nobody else may write overrides.';

create function public.admin_set_limit(
    user_id uuid,
    action text,
    hard_limit bigint default null,
    soft_limit bigint default null,
    cost_limit_micros bigint default null,
    reason text default null,
    expires_at timestamptz default null,
    unlimited text[] default '{}'
)
returns public.usage_status
language sql
volatile
set search_path = ''
return admin.set_limit(
    user_id, action, hard_limit, soft_limit, cost_limit_micros, reason, expires_at, unlimited
);
comment on function public.admin_set_limit(uuid, text, bigint, bigint, bigint, text, timestamptz, text[]) is
'Admins: replace what a person''s plan says about an action, at once and until it expires (null: until it is cleared), for a reason. A limit that is left out stays what it is now, by the override or else the plan; `unlimited` names those that end: hard_limit, soft_limit, cost_limit_micros. Returns where the person stands.';

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
