-- Every movement of money is in the ledger because the row that says it moved cannot be
-- written without: triggers post, in the same transaction, whoever writes.
--
--   customer · payments   what they paid, net; below zero, since money comes from outside
--   platform · revenue    what we earned
--   platform · disputed   what banks hold back until they decide

set lock_timeout = '5s';

create function billing.account_of(customer_id uuid, currency text)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
begin
    return ledger.open_account('customer', customer_id::text, 'payments', currency, may_go_negative => true);
end
$$;
comment on function billing.account_of(uuid, text) is 'The ledger account of what a customer paid.';

create function billing.platform_account(name text, currency text)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
begin
    return ledger.open_account(
        'platform', 'platform', name, currency, may_go_negative => true, keeps_balance => false
    );
end
$$;
comment on function billing.platform_account(text, text) is
'One of our own accounts. Every payment of everybody goes through them, so they keep no balance that payments would wait for.';

create function billing.post_payment()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_came bigint := new.amount;
    v_went bigint := new.amount_refunded;
    v_customer bigint;
    v_revenue bigint;
begin
    if tg_op = 'UPDATE' then
        v_came := case old.status when 'succeeded' then 0 else new.amount end;
        v_went := new.amount_refunded - old.amount_refunded;
    end if;
    v_customer := billing.account_of(new.customer_id, new.currency);
    v_revenue := billing.platform_account('revenue', new.currency);
    if v_came <> 0 then
        perform ledger.post(
            'payment:' || new.id,
            array[(v_customer, -v_came, new.currency), (v_revenue, v_came, new.currency)]::ledger.line[]
        );
    end if;
    if v_went <> 0 then
        perform ledger.post(
            format('payment:%s:refund:%s', new.id, new.refund_postings),
            array[(v_customer, v_went, new.currency), (v_revenue, -v_went, new.currency)]::ledger.line[]
        );
    end if;
    return null;
end
$$;
comment on function billing.post_payment() is
'Posts what a payment brought, once, and each change of what went back of it.';

create trigger _300_post
after insert on public.payments
for each row
when (new.status = 'succeeded')
execute function billing.post_payment();

create trigger _300_post_change
after update on public.payments
for each row
when (
    new.status = 'succeeded'
    and (old.status, old.amount_refunded) is distinct from (new.status, new.amount_refunded)
)
execute function billing.post_payment();

alter table public.payments enable always trigger _300_post;
alter table public.payments enable always trigger _300_post_change;

create function billing.settle_order(order_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_order public.orders;
    v_payment public.payments;
    v_attempt text;
    v_status text;
begin
    select o.* into strict v_order from public.orders as o where o.id = settle_order.order_id for no key update;
    select p.* into v_payment
    from public.payments as p
    where
        p.order_id = v_order.id and p.status = 'succeeded'
        and p.currency = v_order.currency and p.amount = v_order.total
    order by p.paid_at, p.id
    limit 1;
    if found then
        if v_order.paid_at is null then
            update public.orders as o set status = 'paid', paid_at = v_payment.paid_at where o.id = v_order.id;
            v_order.status := 'paid';
        end if;
        v_status := case v_payment.amount_refunded
            when 0 then 'paid' when v_order.total then 'refunded' else 'partially_refunded'
        end;
        -- Asked first: a statement that changes no row still calls the triggers of statements.
        if (v_order.status, v_order.amount_refunded) <> (v_status, v_payment.amount_refunded) then
            update public.orders as o
            set status = v_status, amount_refunded = v_payment.amount_refunded
            where o.id = v_order.id;
        end if;
        return;
    end if;

    select c.status into v_attempt
    from billing.checkouts as c
    where c.order_id = v_order.id
    order by c.attempt desc
    limit 1;
    v_status := case v_attempt
        when 'failed' then 'failed'
        when 'processing' then 'pending' -- whatever was declined before
        when 'expired' then case
            when exists (
                select from public.payments as p where p.order_id = v_order.id and p.status = 'failed'
            ) then 'failed'
            else 'expired'
        end
        else v_order.status
    end;
    v_status := billing.step('order', v_order.status, v_status);
    if v_order.status <> v_status then
        update public.orders as o set status = v_status where o.id = v_order.id;
    end if;
end
$$;
comment on function billing.settle_order(uuid) is
'Lets an order follow the payment that covers it, else its latest attempt. Nothing takes a paid order back but money that goes back.';

create function billing.settle_order_of_payment()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.settle_order(new.order_id);
    return null;
end
$$;
comment on function billing.settle_order_of_payment() is 'An order follows its payments in the same statement.';

create trigger _400_settle_order
after insert on public.payments
for each row
when (new.order_id is not null and new.status = 'succeeded')
execute function billing.settle_order_of_payment();

create trigger _400_settle_order_again
after update on public.payments
for each row
when (
    new.order_id is not null and new.status = 'succeeded'
    and (old.status, old.amount_refunded) is distinct from (new.status, new.amount_refunded)
)
execute function billing.settle_order_of_payment();

create function billing.require_payment()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
begin
    perform from public.payments as p
    where
        p.order_id = new.id and p.status = 'succeeded' and p.currency = new.currency and p.amount = new.total
        and p.amount_refunded >= new.amount_refunded;
    if not found then
        perform core.fail(
            'invalid_state', 'An order is paid by a payment, and refunded by its refunds.',
            '{"rule": "status_follows_the_money"}'
        );
    end if;
    return new;
end
$$;
comment on function billing.require_payment() is
'No order says that it was paid, or that money went back, unless a payment says so: not even by hand.';

create trigger _160_require_payment
before update of status, amount_refunded on public.orders
for each row
when (
    new.paid_at is not null
    and (old.status, old.amount_refunded) is distinct from (new.status, new.amount_refunded)
)
execute function billing.require_payment();
