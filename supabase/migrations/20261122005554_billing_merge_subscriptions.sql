-- What Stripe says about subscriptions, merged. Their updates carry a second, not an
-- order: what a payload alone cannot decide, Stripe is asked.

set lock_timeout = '5s';

create function billing.merge_subscription(
    subscription jsonb,
    created bigint default null,
    ticket bigint default null
)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_known billing.stripe_subscriptions;
    v_row public.subscriptions;
    v_customer_id uuid := billing.customer_for(subscription);
    v_status text := billing.stripe_status(subscription);
    v_id uuid;
begin
    if v_customer_id is null then
        return false;
    end if;
    select n.* into v_known
    from billing.stripe_subscriptions as n
    where n.stripe_id = subscription ->> 'id'
    for no key update;
    if not found then
        v_id := billing.add_subscription(subscription, v_customer_id, coalesce(created, 0));
        if v_id is not null then
            update billing.stripe_subscriptions as n
            set payloads_decide = (merge_subscription.ticket is null)
            where n.subscription_id = v_id;
        end if;
        return true;
    end if;

    select s.* into strict v_row
    from public.subscriptions as s
    where s.id = v_known.subscription_id
    for no key update;
    if v_row.status = 'canceled' then
        return true;
    end if;
    if
        billing.is_live(v_status) and not billing.is_live(v_row.status)
        and exists (
            select from public.subscriptions as s
            where s.customer_id = v_row.customer_id and s.id <> v_row.id and billing.is_live(s.status)
        )
    then
        perform billing.file_second_subscription(subscription, v_customer_id);
        return true;
    end if;

    if ticket is not null then
        if ticket > v_known.applied_ticket then
            perform billing.write_subscription(v_row.id, subscription);
            update billing.stripe_subscriptions as n
            set applied_ticket = merge_subscription.ticket, payloads_decide = false
            where n.subscription_id = v_row.id;
        end if;
    elsif v_status = 'canceled' or (v_known.payloads_decide and created > v_known.as_of) then
        perform billing.write_subscription(v_row.id, subscription);
        update billing.stripe_subscriptions as n
        set as_of = greatest(n.as_of, created)
        where n.subscription_id = v_row.id;
    elsif not v_known.payloads_decide or created = v_known.as_of then
        if v_row.status = 'incomplete' and v_status <> 'incomplete' then
            perform billing.write_subscription(v_row.id, subscription); -- nothing goes back there, so this is news
        end if;
        perform billing.refetch('subscription', subscription ->> 'id');
    end if;
    return true;
end
$$;
comment on function billing.merge_subscription(jsonb, bigint, bigint) is
'What is known of a subscription: from an event of that second, or fetched under that ticket. Canceled always wins; what is older than what we have is dropped; what cannot be told is fetched. False: it is of nobody whom we know.';
