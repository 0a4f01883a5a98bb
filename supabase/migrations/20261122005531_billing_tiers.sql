-- The tier of people and organizations is what their live subscription says, in the same
-- transaction and in both directions: it follows, and it cannot be set to anything else.

set lock_timeout = '5s';

create function billing.tier_of(user_id uuid, organization_id uuid)
returns text
language sql
stable
security definer
set search_path = ''
as $$
    select coalesce(
        (
            select s.plan
            from public.subscriptions as s
            inner join public.plans as p on s.plan = p.plan
            where
                (s.user_id = tier_of.user_id or s.organization_id = tier_of.organization_id)
                and billing.gives_tier(s.status)
            order by p.rank desc
            limit 1
        ),
        'free'
    );
$$;
comment on function billing.tier_of(uuid, uuid) is
'The tier that a person or an organization pays for. Definer because the guard on tiers asks it for whoever updates a profile.';

create function billing.follow_subscription()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    update public.profiles as p
    set subscription_tier = billing.tier_of(new.user_id, null)
    where p.id = new.user_id and p.subscription_tier <> billing.tier_of(new.user_id, null);
    update public.organizations as o
    set subscription_tier = billing.tier_of(null, new.organization_id)
    where o.id = new.organization_id and o.subscription_tier <> billing.tier_of(null, new.organization_id);
    return null;
end
$$;
comment on function billing.follow_subscription() is 'Gives and takes the tier with the change of the subscription.';

create trigger _300_follow_subscription
after insert or update of status, plan on public.subscriptions
for each row
execute function billing.follow_subscription();

create function billing.require_paid_tier()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
declare
    v_tier text := case tg_table_name
        when 'profiles' then billing.tier_of(new.id, null) else billing.tier_of(null, new.id)
    end;
begin
    if new.subscription_tier <> v_tier then
        perform core.fail(
            'invalid_state', 'The tier follows the live subscription.',
            jsonb_build_object('rule', 'tier_follows_subscription', 'tier', v_tier)
        );
    end if;
    return new;
end
$$;
comment on function billing.require_paid_tier() is 'Nobody has a tier that no live subscription gives, or another one than it gives; not even by hand.';

create trigger _120_require_paid_tier
before update of subscription_tier on public.profiles
for each row
execute function billing.require_paid_tier();

create trigger _120_require_paid_tier_of_new
before insert on public.profiles
for each row
when (new.subscription_tier <> 'free')
execute function billing.require_paid_tier();

create trigger _120_require_paid_tier
before update of subscription_tier on public.organizations
for each row
execute function billing.require_paid_tier();

create trigger _120_require_paid_tier_of_new
before insert on public.organizations
for each row
when (new.subscription_tier <> 'free')
execute function billing.require_paid_tier();
