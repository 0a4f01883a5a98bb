-- Which plan and which limits hold for a person right now. Looked up each time and kept
-- nowhere, so that a change of plan, membership or override counts from its commit on.

set lock_timeout = '5s';

create view metering.plans_of_people with (security_invoker = true) as
with paid as (
    select
        p.id as user_id,
        p.subscription_tier as plan,
        null::uuid as organization_id
    from public.profiles as p
    where p.deleted_at is null
    union all
    -- Whoever is deleted belongs to no organization any more.
    select
        m.user_id,
        o.subscription_tier,
        o.id
    from public.memberships as m
    inner join public.organizations as o on m.organization_id = o.id
    where o.deleted_at is null
)

select distinct on (t.user_id)
    t.user_id,
    l.plan,
    l.rank,
    t.organization_id
from paid as t
inner join public.plans as l on t.plan = l.plan
order by t.user_id asc, l.rank desc, t.organization_id asc nulls first;
comment on view metering.plans_of_people is
'The best of the plans that a living person pays for and that their organizations pay for, and whose it is.';
comment on column metering.plans_of_people.organization_id is 'Null: their own.';

create function metering.plan_of(user_id uuid)
returns text
language sql
stable
set search_path = ''
as $$
    select p.plan from metering.plans_of_people as p where p.user_id = plan_of.user_id;
$$;
comment on function metering.plan_of(uuid) is 'The plan that counts for a person; null if no such person lives.';

create view metering.limits with (security_invoker = true) as
select
    p.id as user_id,
    a.action,
    a.name as action_name,
    a.least_cost_micros,
    t.plan,
    o.user_id is not null as is_override,
    coalesce(o.user_id is not null or l.plan is not null, false) as is_included,
    case when o.user_id is null then l.soft_limit else o.soft_limit end as soft_limit,
    case
        when o.user_id is not null then o.hard_limit
        when l.plan is not null then l.hard_limit
        else 0
    end as hard_limit,
    case
        when o.user_id is not null then o.cost_limit_micros
        when l.plan is not null then l.cost_limit_micros
        else 0
    end as cost_limit_micros
from public.profiles as p
-- Every metered call looks here. Most people belong to no organization, and comparing plans only for
-- those who do halves what it costs; `offset` has it done once.
cross join
    lateral ( -- noqa: ST05
        select
            case
                when exists (select from public.memberships as m where m.user_id = p.id)
                    then metering.plan_of(p.id)
                else p.subscription_tier
            end as plan
        from (values (1)) as once
        offset 0 -- noqa: AM09
    ) as t
cross join metering.actions as a
left join public.plan_limits as l on t.plan = l.plan and a.action = l.action
left join metering.overrides as o
    on
        p.id = o.user_id and a.action = o.action
        and (o.expires_at is null or o.expires_at > now())
where p.deleted_at is null;
comment on view metering.limits is
'What holds for a living person and an action. Neither in the plan nor overridden: a limit of zero.';

create function metering.my_plan()
returns text
language sql
stable
security definer
set search_path = ''
as $$
    select metering.plan_of((select auth.uid()));
$$;
comment on function metering.my_plan() is
'The caller''s plan, for policies: `(select metering.my_plan()) = ''pro''` is asked once a statement.
Definer because it looks at organizations and plans past their policies, for the caller alone.';

create function edge.my_plan()
returns text
language sql
stable
set search_path = ''
return metering.my_plan();
comment on function edge.my_plan() is 'The plan that counts for the person on whose behalf the edge is acting.';
