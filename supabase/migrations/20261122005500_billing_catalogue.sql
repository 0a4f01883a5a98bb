-- What is sold, and for how much. A price never changes: another one takes its place, so
-- that whatever was offered can be looked up for ever.

set lock_timeout = '5s';

create schema billing;
comment on schema billing is
'What people buy and pay: orders, payments, refunds, disputes, subscriptions, and what Stripe says about them. Ids of Stripe live here and nowhere else.';

create table public.products (
    id uuid constraint products_pkey primary key default gen_random_uuid(),
    name text not null,
    description text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    archived_at timestamptz,
    constraint name_is_one_line check (core.valid(
        core.is_one_line(name, 200), 'name', 'one line of 1 to 200 characters'
    )),
    constraint description_is_bounded check (core.valid(
        char_length(description) <= 2000, 'description', 'of at most 2000 characters'
    ))
);
comment on table public.products is
'The catalogue, written by whoever runs the shop. What was sold is archived, not deleted: orders point here.';

create table public.prices (
    id uuid constraint prices_pkey primary key default gen_random_uuid(),
    product_id uuid not null constraint prices_product_id_fkey references public.products (id),
    currency text not null,
    unit_amount bigint not null,
    recurring text,
    created_at timestamptz not null default now(),
    archived_at timestamptz,
    constraint currency_is_iso_4217 check (core.valid(
        currency ~ '^[A-Z]{3}$', 'currency', 'an ISO 4217 code of three capitals'
    )),
    constraint unit_amount_is_chargeable check (core.valid(
        unit_amount between 1 and 99999999, 'unit_amount', 'from 1 to 99999999 minor units'
    )),
    constraint recurring_is_known check (core.valid(
        recurring in ('month', 'year'), 'recurring', 'month or year'
    ))
);
comment on table public.prices is 'What a product costs, once or each month or year. Never changed: archived, and another one made.';
comment on column public.prices.unit_amount is 'Minor units of the currency.';
comment on column public.prices.recurring is 'How often it is paid. Null: once.';

create index prices_of_a_product on public.prices (product_id);

create table public.plans (
    plan text constraint plans_pkey primary key,
    name text not null,
    rank integer not null,
    price_id uuid constraint plans_price_id_fkey references public.prices (id),
    created_at timestamptz not null default now(),
    constraint plan_is_a_tier check (core.valid(plan in ('free', 'pro'), 'plan', 'free or pro')),
    constraint name_is_one_line check (core.valid(
        core.is_one_line(name, 200), 'name', 'one line of 1 to 200 characters'
    )),
    constraint one_plan_of_a_rank unique (rank),
    constraint only_free_costs_nothing check ((plan = 'free') = (price_id is null))
);
comment on table public.plans is
'What one can subscribe to. A plan''s name is the tier that people and organizations have while they pay for it.';
comment on column public.plans.rank is 'Which of two plans is the better one.';
comment on column public.plans.price_id is 'What new subscriptions pay. Older ones go on with what they were sold for.';

create index plans_by_price on public.plans (price_id);

create function billing.require_recurring_price()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
begin
    perform core.valid(
        exists (select from public.prices as p where p.id = new.price_id and p.recurring is not null),
        'price_id', 'a price that recurs'
    );
    return new;
end
$$;
comment on function billing.require_recurring_price() is 'Nobody subscribes to something that is paid once.';

create trigger _100_require_recurring_price
before insert or update of price_id on public.plans
for each row
when (new.price_id is not null)
execute function billing.require_recurring_price();

create trigger _100_refuse_another_price
before update on public.prices
for each row
when (
    (old.id, old.product_id, old.currency, old.unit_amount, old.recurring, old.created_at)
    is distinct from (new.id, new.product_id, new.currency, new.unit_amount, new.recurring, new.created_at)
)
execute function core.refuse_change('A price stays what it is. Archive it and make another one.');

create trigger _200_touch
before update on public.products
for each row
execute function core.touch();

insert into public.products (id, name, description) values
('00000000-0000-4000-8000-000000000201', 'Pro', 'Everything, without limits that you would notice.');

insert into public.prices (id, product_id, currency, unit_amount, recurring) values
('00000000-0000-4000-8000-000000000301', '00000000-0000-4000-8000-000000000201', 'USD', 1900, 'month');

insert into public.plans (plan, name, rank, price_id) values
('free', 'Free', 0, null),
('pro', 'Pro', 1, '00000000-0000-4000-8000-000000000301');
