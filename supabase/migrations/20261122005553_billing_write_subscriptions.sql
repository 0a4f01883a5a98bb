-- Writing down a subscription as Stripe shows it, and what cannot be written down.

set lock_timeout = '5s';

create function billing.plan_of(subscription jsonb)
returns text
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (
            select p.plan from public.plans as p
            where p.plan = subscription #>> '{metadata,plan}' and p.price_id is not null
        ),
        (select c.plan from billing.checkouts as c where c.stripe_subscription = subscription ->> 'id' limit 1),
        (
            select p.plan
            from public.plans as p
            inner join public.prices as a on p.price_id = a.id
            where
                a.unit_amount::text = subscription #>> '{items,data,0,price,unit_amount}'
                and lower(a.currency) = lower(subscription #>> '{items,data,0,price,currency}')
                and a.recurring = subscription #>> '{items,data,0,price,recurring,interval}'
            limit 1
        )
    );
$$;
comment on function billing.plan_of(jsonb) is
'Which plan a subscription is to: as we named it when it began, else by its price. Null: none that we sell.';

create function billing.write_subscription(subscription_id uuid, subscription jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_status text := billing.stripe_status(subscription);
begin
    update public.subscriptions as s
    set
        status = billing.step('subscription', s.status, v_status),
        current_period_start = coalesce(billing.period_of(subscription, 'start'), s.current_period_start),
        current_period_end = coalesce(billing.period_of(subscription, 'end'), s.current_period_end),
        cancel_at_period_end = billing.ends_with_period(subscription),
        trial_end = billing.moment(subscription -> 'trial_end'),
        canceled_at = billing.moment(subscription -> 'canceled_at'),
        ended_at = case v_status
            when 'canceled' then coalesce(billing.moment(subscription -> 'ended_at'), now())
        end
    where s.id = write_subscription.subscription_id and s.status <> 'canceled';
end
$$;
comment on function billing.write_subscription(uuid, jsonb) is 'Shows a subscription as Stripe has it. What has ended stays as it ended.';

create function billing.stripe_status(subscription jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case subscription
    ->> 'status' when 'incomplete_expired' then 'canceled' else subscription ->> 'status' end;
end
$$;
comment on function billing.stripe_status(jsonb) is
'The status of a subscription. One whose first payment never came has ended like any other.';

create function billing.period_of(subscription jsonb, edge text)
returns timestamptz
language plpgsql
immutable
set search_path = ''
as $$
begin
    return billing.moment(coalesce(
        subscription #> array['items', 'data', '0', 'current_period_' || edge],
        subscription -> ('current_period_' || edge)
    ));
end
$$;
comment on function billing.period_of(jsonb, text) is 'Start or end of the period that is paid, of the items or, before, of the subscription.';

create function billing.ends_with_period(subscription jsonb)
returns boolean
language sql
immutable
set search_path = ''
return coalesce((subscription ->> 'cancel_at_period_end')::boolean, false)
or jsonb_typeof(subscription -> 'cancel_at') is not distinct from 'number';
comment on function billing.ends_with_period(jsonb) is 'Whether it goes on until then, and no further.';

create function billing.add_subscription(subscription jsonb, customer_id uuid, as_of bigint)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column -- for the arbiter of `on conflict`, which cannot be qualified
declare
    v_plan text := billing.plan_of(subscription);
    v_status text := billing.stripe_status(subscription);
    v_id uuid;
begin
    if v_plan is null then
        perform billing.file_discrepancy(
            'unknown_plan', subscription ->> 'id', 'A customer is subscribed to something that is no plan.',
            'Cancel the subscription at Stripe, or give it the metadata "plan".',
            jsonb_build_object('customer', customer_id)
        );
        return null;
    end if;
    -- All of it at once: mails hang on the insert, and what has ended cannot be changed any more.
    insert into public.subscriptions (
        customer_id, plan, status, current_period_start, current_period_end, cancel_at_period_end, trial_end,
        canceled_at, ended_at
    )
    values (
        customer_id, v_plan, v_status, billing.period_of(subscription, 'start'), billing.period_of(subscription, 'end'),
        billing.ends_with_period(subscription), billing.moment(subscription -> 'trial_end'),
        billing.moment(subscription -> 'canceled_at'),
        case v_status when 'canceled' then coalesce(billing.moment(subscription -> 'ended_at'), now()) end
    )
    on conflict (customer_id) where status in ('trialing', 'active', 'past_due', 'unpaid', 'paused') do nothing
    returning id into v_id;
    if not found then
        perform billing.file_second_subscription(subscription, customer_id);
        return null;
    end if;
    insert into billing.stripe_subscriptions (subscription_id, stripe_id, as_of)
    values (v_id, subscription ->> 'id', as_of);
    return v_id;
end
$$;
comment on function billing.add_subscription(jsonb, uuid, bigint) is
'A subscription that is heard of for the first time. Null if it cannot be ours: then it is filed for a decision.';

create function billing.file_second_subscription(subscription jsonb, customer_id uuid)
returns void
language sql
volatile
set search_path = ''
return billing.file_discrepancy(
    'second_subscription', subscription ->> 'id', 'The customer has another live subscription.',
    'Cancel one of the two at Stripe and refund what was paid for it.',
    jsonb_build_object('customer', customer_id)
);
comment on function billing.file_second_subscription(jsonb, uuid) is
'Two live subscriptions of one customer: the database keeps the first, somebody has to decide.';

create function billing.ask_for_second()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.refetch('subscription', d.subject)
    from billing.discrepancies as d
    where
        d.kind = 'second_subscription' and d.resolved_at is null
        and d.detail ->> 'customer' = new.customer_id::text;
    return null;
end
$$;
comment on function billing.ask_for_second() is
'With the end of one subscription there is room for the other, which may be paid for: it counts now, not with its next event.';

create trigger _400_ask_for_second
after update of status on public.subscriptions
for each row
when (billing.is_live(old.status) and new.status = 'canceled')
execute function billing.ask_for_second();
