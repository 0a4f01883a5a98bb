-- Starting to pay for an order.

set lock_timeout = '5s';

create function billing.require_items(items jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_item jsonb;
begin
    perform core.valid(items is not null, 'items', 'given');
    if jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 100 then
        perform core.valid(false, 'items', 'a list of 1 to 100');
    end if;
    for v_item in select i.value from jsonb_array_elements(items) as i (value) loop
        perform core.valid(jsonb_typeof(v_item) = 'object', 'items', 'objects of price_id and quantity');
        perform core.valid(
            coalesce(pg_input_is_valid(v_item ->> 'price_id', 'uuid'), false), 'price_id', 'the id of a price'
        );
        perform core.valid(
            coalesce(
                jsonb_typeof(v_item -> 'quantity') = 'number'
                and pg_input_is_valid(v_item ->> 'quantity', 'integer'),
                false
            ),
            'quantity', 'from 1 to 10000'
        );
        perform core.valid((v_item ->> 'quantity')::integer between 1 and 10000, 'quantity', 'from 1 to 10000');
    end loop;
end
$$;
comment on function billing.require_items(jsonb) is 'Refuses what is no list of price and quantity, naming what is wrong with it.';

create function billing.require_url(url text, field text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    perform core.valid(url is not null, field, 'given');
    perform core.valid(
        url ~ '^https?://[!-~]+$' and char_length(url) <= 2000, field, 'an http(s) URL of at most 2000 characters'
    );
end
$$;
comment on function billing.require_url(text, text) is 'The shape of a URL to return to. Which sites are allowed is the edge''s setting.';

create function billing.place_order(customer billing.customers, email text, items jsonb)
returns public.orders
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_order public.orders;
    v_currencies text[];
    v_total numeric;
    v_known integer;
begin
    -- Locked, so that nothing that is being archived is sold.
    perform from public.prices as p
    where p.id in (select (i.value ->> 'price_id')::uuid from jsonb_array_elements(items) as i (value))
    order by p.id
    for share;

    select count(*), array_agg(distinct p.currency), sum(p.unit_amount::numeric * (i.value ->> 'quantity')::integer)
    into v_known, v_currencies, v_total
    from jsonb_array_elements(items) as i (value)
    inner join public.prices as p on p.id = (i.value ->> 'price_id')::uuid
    inner join public.products as d on p.product_id = d.id
    where p.archived_at is null and d.archived_at is null and p.recurring is null;

    if v_known < jsonb_array_length(items) then
        perform core.fail('not_found', 'One of these is not for sale.', '{"field": "price_id"}');
    end if;
    perform core.valid(cardinality(v_currencies) = 1, 'items', 'of one currency');
    perform core.valid(v_total <= 99999999, 'items', 'together from 1 to 99999999 minor units');

    insert into public.orders (customer_id, user_id, currency, total, customer_email)
    values (customer.id, customer.user_id, v_currencies[1], v_total::bigint, email)
    returning * into v_order;
    insert into public.order_items (order_id, line, user_id, product_id, price_id, name, unit_amount, quantity)
    select v_order.id, i.line, customer.user_id, d.id, p.id, d.name, p.unit_amount, (i.value ->> 'quantity')::integer
    from jsonb_array_elements(items) with ordinality as i (value, line)
    inner join public.prices as p on p.id = (i.value ->> 'price_id')::uuid
    inner join public.products as d on p.product_id = d.id;
    return v_order;
end
$$;
comment on function billing.place_order(billing.customers, text, jsonb) is
'Writes an order with its items at today''s prices. Whatever amount a client may have in mind is not asked for.';

create function billing.attempt(order_id uuid)
returns billing.checkouts
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_order public.orders;
    v_last billing.checkouts;
begin
    select o.* into strict v_order from public.orders as o where o.id = attempt.order_id for no key update;
    select c.* into strict v_last
    from billing.checkouts as c
    where c.order_id = v_order.id
    order by c.attempt desc
    limit 1;
    if v_order.status not in ('pending', 'failed') or v_last.status in ('complete', 'processing') then
        return v_last;
    end if;

    update public.orders as o set status = 'pending' where o.id = v_order.id and o.status = 'failed';
    if v_last.status in ('staged', 'open') then
        return v_last; -- its page takes another card
    end if;
    insert into billing.checkouts (customer_id, kind, order_id, attempt, success_url, cancel_url)
    values (
        v_order.customer_id, 'payment', v_order.id, v_last.attempt + 1, v_last.success_url, v_last.cancel_url
    )
    returning * into v_last;
    return v_last;
end
$$;
comment on function billing.attempt(uuid) is
'The attempt to pay an order that is under way, or the next one if the last failed; of an order that needs none the last.';

create function edge.start_checkout(
    items jsonb,
    success_url text,
    cancel_url text,
    idempotency_key text default null
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_customer billing.customers;
    v_request jsonb := jsonb_build_object('items', items, 'success_url', success_url, 'cancel_url', cancel_url);
    v_first jsonb;
    v_email text;
    v_order public.orders;
    v_checkout billing.checkouts;
begin
    perform billing.require_items(items);
    perform billing.require_url(success_url, 'success_url');
    perform billing.require_url(cancel_url, 'cancel_url');
    v_customer := billing.my_customer(null);

    v_first := core.recall(v_customer.user_id, 'checkout', idempotency_key, v_request);
    if v_first is not null then
        return billing.shown_checkout(billing.attempt((v_first ->> 'order_id')::uuid));
    end if;

    select p.email into v_email from public.profiles as p where p.id = v_customer.user_id;
    v_order := billing.place_order(v_customer, v_email, items);
    insert into billing.checkouts (customer_id, kind, order_id, success_url, cancel_url)
    values (
        v_customer.id, 'payment', v_order.id,
        replace(success_url, '{ORDER_ID}', v_order.id::text), replace(cancel_url, '{ORDER_ID}', v_order.id::text)
    )
    returning * into v_checkout;

    perform core.remember(
        v_customer.user_id, 'checkout', idempotency_key, jsonb_build_object('order_id', v_order.id)
    );
    return billing.shown_checkout(v_checkout);
end
$$;
comment on function edge.start_checkout(jsonb, text, text, text) is
'Places an order and stages the attempt to pay it, before Stripe is asked; the same idempotency key goes on with the first one. Definer because clients write neither.';
