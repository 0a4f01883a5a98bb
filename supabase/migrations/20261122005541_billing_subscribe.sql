-- Starting to subscribe, and the way to the billing portal.

set lock_timeout = '5s';

create function edge.start_subscription(plan text, organization_id uuid, success_url text, cancel_url text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_customer billing.customers;
    v_plan public.plans;
    v_checkout billing.checkouts;
begin
    perform core.valid(plan is not null, 'plan', 'given');
    perform billing.require_url(success_url, 'success_url');
    perform billing.require_url(cancel_url, 'cancel_url');
    v_customer := billing.my_customer(organization_id);

    select p.* into v_plan from public.plans as p where p.plan = start_subscription.plan;
    perform core.valid(found, 'plan', 'the name of a plan');
    perform core.valid(v_plan.price_id is not null, 'plan', 'a plan that costs something');

    if exists (
        select from public.subscriptions as s where s.customer_id = v_customer.id and billing.is_live(s.status)
    ) then
        perform core.fail(
            'conflict', 'There is a subscription already. Change it in the billing portal.',
            '{"rule": "one_live_subscription"}'
        );
    end if;
    -- Paid for, and not heard of yet: a second one would be a second one.
    if exists (
        select from billing.checkouts as c
        where
            c.customer_id = v_customer.id and c.kind = 'subscription' and c.status = 'complete'
            and not exists (
                select from billing.stripe_subscriptions as s where s.stripe_id = c.stripe_subscription
            )
    ) then
        perform core.fail(
            'conflict', 'Your subscription is being set up. It will be there in a moment.',
            '{"rule": "one_live_subscription"}'
        );
    end if;

    select c.* into v_checkout
    from billing.checkouts as c
    where c.customer_id = v_customer.id and c.kind = 'subscription' and c.status in ('staged', 'open');
    if found then
        if v_checkout.plan <> start_subscription.plan then
            perform core.fail(
                'conflict', 'Another subscription is being paid for. Finish it, or let it expire.',
                jsonb_build_object('rule', 'one_open_checkout', 'plan', v_checkout.plan)
            );
        end if;
        return billing.shown_checkout(v_checkout);
    end if;

    insert into billing.checkouts (customer_id, kind, plan, price_id, success_url, cancel_url)
    values (v_customer.id, 'subscription', v_plan.plan, v_plan.price_id, success_url, cancel_url)
    returning * into v_checkout;
    return billing.shown_checkout(v_checkout);
end
$$;
comment on function edge.start_subscription(text, uuid, text, text) is
'Stages the checkout of a subscription, or returns the one that is open: never two, and none beside a live subscription. Definer because clients do not write checkouts.';

create function edge.billing_customer(organization_id uuid default null)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    return billing.shown_customer(billing.my_customer(organization_id));
end
$$;
comment on function edge.billing_customer(uuid) is
'Who the caller is to Stripe, for the billing portal. Definer because clients do not read customers.';

create function edge.bind_stripe_customer(customer_id uuid, stripe_id text)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_bound text;
begin
    perform core.valid(stripe_id ~ '^cus_[A-Za-z0-9_]{1,200}$', 'stripe_id', 'the id of a customer at Stripe');
    update billing.customers as c
    set stripe_id = coalesce(c.stripe_id, bind_stripe_customer.stripe_id)
    where c.id = bind_stripe_customer.customer_id
    returning c.stripe_id into v_bound;
    if not found then
        perform core.fail('not_found', 'There is no such customer.');
    end if;
    return v_bound;
end
$$;
comment on function edge.bind_stripe_customer(uuid, text) is
'Keeps what Stripe called a customer; the first name stays and is returned. Definer because the edge may not write customers.';

create function edge.open_checkout(checkout_id uuid, session jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_checkout billing.checkouts;
begin
    select c.* into v_checkout from billing.checkouts as c where c.id = open_checkout.checkout_id;
    if not found then
        perform core.fail('not_found', 'There is no such checkout.');
    end if;
    perform billing.lock_customer(v_checkout.customer_id);
    update billing.checkouts as c
    set stripe_id = session ->> 'id'
    where c.id = v_checkout.id and c.stripe_id is null;
    perform billing.merge_session(session);
    select c.* into strict v_checkout from billing.checkouts as c where c.id = v_checkout.id;
    return jsonb_build_object(
        'order_id', v_checkout.order_id, 'status', v_checkout.status,
        'url', case v_checkout.status when 'open' then v_checkout.url end
    );
end
$$;
comment on function edge.open_checkout(uuid, jsonb) is
'Keeps the session that Stripe opened for a staged checkout. Definer because the edge may not write checkouts.';

create function edge.fail_checkout(checkout_id uuid, reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_checkout billing.checkouts;
begin
    select c.* into v_checkout from billing.checkouts as c where c.id = fail_checkout.checkout_id;
    if not found then
        perform core.fail('not_found', 'There is no such checkout.');
    end if;
    perform billing.lock_customer(v_checkout.customer_id);
    update billing.checkouts as c
    set refused = left(coalesce(nullif(reason, ''), 'refused'), 500)
    where c.id = v_checkout.id and c.status = 'staged';
    if found and v_checkout.order_id is not null then
        perform billing.settle_order(v_checkout.order_id);
    end if;
end
$$;
comment on function edge.fail_checkout(uuid, text) is
'Ends a checkout for which Stripe would not open a session, so that another can be started. Definer because the edge may not write checkouts.';
