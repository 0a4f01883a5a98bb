-- What people and owners are told about subscriptions and disputes.

set lock_timeout = '5s';

create function billing.named(subscription public.subscriptions)
returns jsonb
language sql
stable
set search_path = ''
return jsonb_build_object(
    'plan', (select p.name from public.plans as p where p.plan = subscription.plan),
    'organization', (select o.name from public.organizations as o where o.id = subscription.organization_id)
);
comment on function billing.named(public.subscriptions) is 'What a subscription is called in mails.';

create function billing.mail_subscription()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if new.status = 'canceled' then
        perform billing.mail_customer(
            new.customer_id, 'subscription_canceled', billing.named(new) || jsonb_build_object('ended_at', new.ended_at),
            format('subscription:%s:canceled', new.id)
        );
    else
        perform billing.mail_customer(
            new.customer_id, 'subscription_started',
            billing.named(new) || jsonb_build_object('renews_at', new.current_period_end),
            format('subscription:%s:started', new.id)
        );
    end if;
    return null;
end
$$;
comment on function billing.mail_subscription() is 'Tells who pays that their subscription has begun, or has ended; each once.';

create trigger _500_mail_start
after insert on public.subscriptions
for each row
when (new.status in ('trialing', 'active', 'past_due'))
execute function billing.mail_subscription();

create trigger _500_mail_late_start
after update of status on public.subscriptions
for each row
when (old.status = 'incomplete' and new.status in ('trialing', 'active', 'past_due'))
execute function billing.mail_subscription();

create trigger _500_mail_end
after update of status on public.subscriptions
for each row
when (old.status not in ('incomplete', 'canceled') and new.status = 'canceled')
execute function billing.mail_subscription();

create function billing.mail_failed_renewal(subscription public.subscriptions, invoice billing.invoices)
returns void
language sql
volatile
set search_path = ''
return billing.mail_customer(
    subscription.customer_id, 'subscription_payment_failed',
    billing.named(subscription) || jsonb_build_object(
        'amount', invoice.amount_due, 'currency', invoice.currency, 'attempt', invoice.attempts
    ),
    format('invoice:%s:failed:%s', invoice.stripe_id, invoice.attempts)
);
comment on function billing.mail_failed_renewal(public.subscriptions, billing.invoices) is
'Tells who pays that a renewal could not be collected, once for each attempt of Stripe.';

create function billing.warn_of_trial_end(subscription jsonb, event_type text)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
    if event_type = 'customer.subscription.trial_will_end' then
        perform identity.notify(
            coalesce(s.user_id, m.user_id), 'trial_will_end', jsonb_build_object('plan', s.plan, 'trial_end', s.trial_end),
            format('subscription:%s:trial_will_end', s.id)
        )
        from public.subscriptions as s
        inner join billing.stripe_subscriptions as n on s.id = n.subscription_id
        left join public.memberships as m on s.organization_id = m.organization_id and m.role = 'owner'
        where n.stripe_id = subscription ->> 'id' and s.status = 'trialing';
    end if;
    return true;
end
$$;
comment on function billing.warn_of_trial_end(jsonb, text) is 'Tells who will pay, in the app, that their trial ends soon.';

create function billing.mail_dispute()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.mail_owners(
        'dispute_notice',
        jsonb_build_object(
            'payment_id', new.payment_id, 'amount', new.amount, 'currency', new.currency, 'reason', new.reason,
            'due_by', new.evidence_due_by
        ),
        format('dispute:%s', new.id)
    );
    return null;
end
$$;
comment on function billing.mail_dispute() is 'Tells the owners of each dispute, once.';

create trigger _500_mail_dispute
after insert on public.disputes
for each row
execute function billing.mail_dispute();
