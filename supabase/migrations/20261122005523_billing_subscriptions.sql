-- Who is subscribed to what. Stripe renews and ends subscriptions; here is what it says.

set lock_timeout = '5s';

create table public.subscriptions (
    id uuid constraint subscriptions_pkey primary key default gen_random_uuid(),
    customer_id uuid not null constraint subscriptions_customer_id_fkey references billing.customers (id),
    user_id uuid,
    organization_id uuid,
    plan text not null constraint subscriptions_plan_fkey references public.plans (plan),
    status text not null,
    current_period_start timestamptz,
    current_period_end timestamptz,
    cancel_at_period_end boolean not null default false,
    trial_end timestamptz,
    canceled_at timestamptz,
    ended_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint of_a_person_or_an_organization check (num_nonnulls(user_id, organization_id) = 1),
    constraint only_what_costs_is_subscribed check (plan <> 'free'),
    constraint canceled_has_ended check ((status = 'canceled') = (ended_at is not null))
);
comment on table public.subscriptions is
'Subscriptions of people and organizations. They read it, and the members of an organization; nobody writes it but the functions of billing. The tier follows it.';
comment on column public.subscriptions.status is
'incomplete, trialing, active, past_due, unpaid, paused or canceled, which is for ever. See billing.transitions.';
comment on column public.subscriptions.cancel_at_period_end is 'Still alive, and not renewed.';

create function billing.is_live(status text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
    return status in ('trialing', 'active', 'past_due', 'unpaid', 'paused');
end
$$;
comment on function billing.is_live(text) is 'Whether Stripe goes on with a subscription. At most one of a customer does.';

create function billing.gives_tier(status text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
    return status in ('trialing', 'active', 'past_due');
end
$$;
comment on function billing.gives_tier(text) is
'Whether a subscription gives its plan: also while a failed renewal is tried again, not once Stripe has given up.';

create unique index one_live_subscription_per_customer on public.subscriptions (customer_id)
where status in ('trialing', 'active', 'past_due', 'unpaid', 'paused');
create index subscriptions_of_a_customer on public.subscriptions (customer_id);
create index subscriptions_of_a_user on public.subscriptions (user_id);
create index subscriptions_of_an_organization on public.subscriptions (organization_id);
create index subscriptions_of_a_plan on public.subscriptions (plan);

create table billing.stripe_subscriptions (
    subscription_id uuid constraint stripe_subscriptions_pkey primary key
    constraint stripe_subscriptions_subscription_id_fkey references public.subscriptions (id),
    stripe_id text not null,
    as_of bigint not null,
    payloads_decide boolean not null default true,
    ticket bigint not null default 0,
    applied_ticket bigint not null default 0,
    constraint one_subscription_per_stripe_id unique (stripe_id),
    constraint a_ticket_is_drawn_before_it_counts check (applied_ticket <= ticket)
);
comment on table billing.stripe_subscriptions is 'What Stripe calls a subscription, and how far what it said has been heard.';
comment on column billing.stripe_subscriptions.as_of is
'Second of Stripe''s clock of the event that the row shows. Two events of one second cannot be told apart: then Stripe is asked.';
comment on column billing.stripe_subscriptions.payloads_decide is
'False once it was fetched: what events say may be older than that, so from then on each is a reason to fetch again.';
comment on column billing.stripe_subscriptions.ticket is 'Drawn by whoever begins to fetch it. An answer to an older ticket than one that was applied is dropped.';

create trigger _050_require_owner
before insert on public.subscriptions
for each row
execute function billing.require_owner_of_customer();

create trigger _100_refuse_another_subscription
before update on public.subscriptions
for each row
when (
    (old.id, old.customer_id, old.user_id, old.organization_id, old.created_at)
    is distinct from (new.id, new.customer_id, new.user_id, new.organization_id, new.created_at)
)
execute function core.refuse_change('A subscription stays whose it is.');

create trigger _110_refuse_deletion
before delete or truncate on public.subscriptions
for each statement
execute function audit.refuse('Subscriptions are not deleted. They end.');

create trigger _120_refuse_revival
before update on public.subscriptions
for each row
when (
    old.status = 'canceled'
    and (old.plan, old.status, old.ended_at) is distinct from (new.plan, new.status, new.ended_at)
)
execute function core.refuse_change('A canceled subscription has ended for ever.');

create trigger _150_begin
before insert on public.subscriptions
for each row
execute function billing.require_transition('subscription');

create trigger _150_move
before update of status on public.subscriptions
for each row
when (old.status <> new.status)
execute function billing.require_transition('subscription');

create trigger _200_touch
before update on public.subscriptions
for each row
execute function core.touch();
