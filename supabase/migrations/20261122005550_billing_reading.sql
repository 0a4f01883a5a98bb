-- Reading what Stripe says: an id may stand alone or as a whole object, the current API
-- keeps some things elsewhere than the one before, and everything is of some customer.
--
-- All in plpgsql, also what is one expression: a function of SQL with a search_path is
-- parsed and planned anew in each transaction, and one event asks dozens of such questions.

set lock_timeout = '5s';

create function billing.ref(value jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case jsonb_typeof(value) when 'object' then value ->> 'id' when 'string' then value #>> '{}' end;
end
$$;
comment on function billing.ref(jsonb) is 'The id of another object, expanded or not.';

create function billing.moment(value jsonb)
returns timestamptz
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case jsonb_typeof(value) when 'number' then to_timestamp((value #>> '{}')::double precision) end;
end
$$;
comment on function billing.moment(jsonb) is 'Stripe''s seconds as a time.';

create function billing.our_id(object jsonb, name text)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
    return case
        when pg_input_is_valid(object #>> array['metadata', name], 'uuid')
            then (object #>> array['metadata', name])::uuid
    end;
end
$$;
comment on function billing.our_id(jsonb, text) is 'The id that we gave an object along when we made it.';

create function billing.intent_of(object jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return coalesce(
        case object ->> 'object' when 'payment_intent' then object ->> 'id' end,
        billing.ref(object -> 'payment_intent'),
        billing.ref(object #> '{payment,payment_intent}'),
        billing.ref(object #> '{payments,data,0,payment,payment_intent}')
    );
end
$$;
comment on function billing.intent_of(jsonb) is 'The payment intent of a session, charge, refund, dispute or invoice, in today''s shape or the one before.';

create function billing.subscription_of(object jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return coalesce(
        case object ->> 'object' when 'subscription' then object ->> 'id' end,
        billing.ref(object -> 'subscription'),
        billing.ref(object #> '{parent,subscription_details,subscription}')
    );
end
$$;
comment on function billing.subscription_of(jsonb) is 'The subscription of a session or an invoice, in today''s shape or the one before.';

create function billing.charge_of(object jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return coalesce(
        case object ->> 'object' when 'charge' then object ->> 'id' end,
        billing.ref(object -> 'charge'),
        billing.ref(object -> 'latest_charge')
    );
end
$$;
comment on function billing.charge_of(jsonb) is 'The charge of a payment intent, refund or dispute.';

create function billing.payment_of(object jsonb)
returns public.payments
language plpgsql
stable
set search_path = ''
as $$
declare
    v_intent text := billing.intent_of(object);
    v_charge text := billing.charge_of(object);
    v_payment public.payments;
begin
    -- One after the other: `or` over two tables is no index's.
    if v_intent is not null then
        select p.* into v_payment
        from billing.stripe_payments as s
        inner join public.payments as p on s.payment_id = p.id
        where s.payment_intent = v_intent;
    end if;
    if v_payment.id is null and v_charge is not null then
        select p.* into v_payment
        from billing.stripe_payments as s
        inner join public.payments as p on s.payment_id = p.id
        where s.charge = v_charge;
    end if;
    return v_payment;
end
$$;
comment on function billing.payment_of(jsonb) is 'The payment that an object of Stripe is about, if it is known.';

create function billing.customer_for(object jsonb)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    v_payment public.payments;
    v_id uuid;
begin
    select c.id into v_id from billing.customers as c where c.stripe_id = billing.ref(object -> 'customer');
    if found then
        return v_id;
    end if;
    select c.customer_id into v_id
    from billing.checkouts as c
    where c.id = billing.our_id(object, 'checkout_id') or c.stripe_id = object ->> 'id';
    if found then
        return v_id;
    end if;
    v_payment := billing.payment_of(object);
    if v_payment.id is not null then
        return v_payment.customer_id;
    end if;
    select s.customer_id into v_id
    from public.subscriptions as s
    inner join billing.stripe_subscriptions as n on s.id = n.subscription_id
    where n.stripe_id = billing.subscription_of(object);
    return v_id;
end
$$;
comment on function billing.customer_for(jsonb) is 'Whose it is, by whatever tells. Null: of nobody whom we know.';

create function billing.wait_for(stripe_id text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'JB001', message = format('%s is not here yet', coalesce(stripe_id, 'what it is about')),
        detail = '10 seconds', hint = coalesce(stripe_id, '');
end
$$;
comment on function billing.wait_for(text) is
'What an object refers to has not been heard of: not an error, since Stripe promises no order. Whoever applies the object keeps it until that arrives.';
