-- Orders: what was bought, as it was called and priced at that moment.

set lock_timeout = '5s';

create function billing.is_order(
    status text, currency text, total bigint, amount_refunded bigint, paid_at timestamptz
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    if total not between 1 and 99999999 then
        perform core.valid(false, 'items', 'together from 1 to 99999999 minor units');
    end if;
    return
        currency ~ '^[A-Z]{3}$'
        and case
            when status = 'paid' then paid_at is not null and amount_refunded = 0
            when status = 'partially_refunded' then
                paid_at is not null and amount_refunded > 0 and amount_refunded < total
            when status = 'refunded' then paid_at is not null and amount_refunded = total
            else paid_at is null and amount_refunded = 0
        end;
end
$$;
comment on function billing.is_order(text, text, bigint, bigint, timestamptz) is
'The body of a CHECK, typed like core.valid: a total that can be charged, a date once it is paid, a status that says how much went back.';

create table public.orders (
    id uuid constraint orders_pkey primary key default gen_random_uuid(),
    customer_id uuid not null constraint orders_customer_id_fkey references billing.customers (id),
    user_id uuid not null constraint orders_user_id_fkey references public.profiles (id),
    status text not null default 'pending',
    currency text not null,
    total bigint not null,
    amount_refunded bigint not null default 0,
    customer_email text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    paid_at timestamptz,
    constraint refunded_within_the_total check (amount_refunded between 0 and total),
    -- One for everything else: Postgres parses and plans each CHECK again for each statement.
    constraint chargeable_and_its_status_follows_the_money check (
        billing.is_order(status, currency, total, amount_refunded, paid_at)
    )
) with (fillfactor = 90); -- the version that says paid stays on its page, and the indexes untouched
comment on table public.orders is
'What a person bought at once. Read by them, written by nobody but the functions of billing: its status follows the money.';
comment on column public.orders.total is 'Minor units; the sum of its items, which the database compares.';
comment on column public.orders.customer_email is 'Where the confirmation goes. Erased with the person.';

create index orders_of_a_user on public.orders (user_id, created_at desc);
create index orders_of_a_customer on public.orders (customer_id);

create table public.order_items (
    order_id uuid not null constraint order_items_order_id_fkey references public.orders (id),
    line integer not null,
    user_id uuid not null constraint order_items_user_id_fkey references public.profiles (id),
    product_id uuid not null constraint order_items_product_id_fkey references public.products (id),
    price_id uuid not null constraint order_items_price_id_fkey references public.prices (id),
    name text not null,
    unit_amount bigint not null,
    quantity integer not null,
    amount bigint not null generated always as (unit_amount * quantity) stored,
    constraint order_items_pkey primary key (order_id, line),
    constraint quantity_is_bounded check (core.valid(
        quantity between 1 and 10000, 'quantity', 'from 1 to 10000'
    ))
);
comment on table public.order_items is 'The lines of an order: snapshots of name and price, which the catalogue may change afterwards.';

create index order_items_of_a_user on public.order_items (user_id);
create index order_items_of_a_product on public.order_items (product_id);
create index order_items_of_a_price on public.order_items (price_id);

create function billing.require_exact_total()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
declare
    v_order_id uuid;
begin
    -- Two statements, for the row of either table lacks the other's column.
    if tg_table_name = 'orders' then
        v_order_id := new.id;
    else
        v_order_id := new.order_id;
    end if;
    if exists (
        select from public.orders as o
        where
            o.id = v_order_id
            and o.total is distinct from (select sum(i.amount) from public.order_items as i where i.order_id = o.id)
    ) then
        perform core.fail('validation_failed', 'The total is the sum of the items.', '{"field": "total"}');
    end if;
    return null;
end
$$;
comment on function billing.require_exact_total() is
'Asked when the transaction commits: an order is worth exactly its items, also if a line is slipped in later.';

create constraint trigger _900_require_exact_total
after insert or update of total on public.orders
deferrable initially deferred
for each row
execute function billing.require_exact_total();

create constraint trigger _900_require_exact_total
after insert on public.order_items
deferrable initially deferred
for each row
execute function billing.require_exact_total();

create trigger _100_refuse_another_order
before update of id, customer_id, user_id, currency, total, created_at on public.orders
for each row
when (
    (old.id, old.customer_id, old.user_id, old.currency, old.total, old.created_at)
    is distinct from (new.id, new.customer_id, new.user_id, new.currency, new.total, new.created_at)
)
execute function core.refuse_change('What was ordered stays as it was ordered.');

create trigger _110_refuse_deletion
before delete or truncate on public.orders
for each statement
execute function audit.refuse('Orders are not deleted.');

create trigger _100_refuse_rewriting
before update or delete or truncate on public.order_items
for each statement
execute function audit.refuse('What was ordered stays as it was ordered.');

create trigger _150_begin
before insert on public.orders
for each row
execute function billing.require_transition('order');

create trigger _150_move
before update of status on public.orders
for each row
when (old.status <> new.status)
execute function billing.require_transition('order');

create trigger _200_touch
before update on public.orders
for each row
execute function core.touch();
