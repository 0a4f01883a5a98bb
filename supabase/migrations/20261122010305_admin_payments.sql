-- What was paid, by whom and for what: where an admin begins who is asked about money.

set lock_timeout = '5s';

create type public.admin_payment as (
    id uuid,
    order_id uuid,
    subscription_id uuid,
    user_id uuid,
    organization_id uuid,
    email text,
    status text,
    currency text,
    amount bigint,
    amount_refunded bigint,
    amount_requested bigint,
    disputed boolean,
    failure_code text,
    created_at timestamptz,
    paid_at timestamptz
);
comment on type public.admin_payment is 'A payment as admins see it; amounts in minor units.';

create function admin.payments(order_id uuid, email text, before timestamptz, page_size integer)
returns setof public.admin_payment
language plpgsql
stable
security definer
set search_path = ''
-- Filters that are not asked for must vanish before the plan is made.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    perform admin.require_admin();
    return query
    select
        p.id, p.order_id, p.subscription_id, p.user_id, p.organization_id, coalesce(f.email,
        c.email), p.status,
        p.currency, p.amount, p.amount_refunded, p.amount_requested,
        exists (select from public.disputes as d where d.payment_id = p.id),
        p.failure_code, p.created_at, p.paid_at
    from public.payments as p
    inner join billing.customers as c on p.customer_id = c.id
    left join public.profiles as f on p.user_id = f.id
    where
        (payments.order_id is null or p.order_id = payments.order_id)
        and (
            payments.email is null
            or p.customer_id = any (array(
                select u.id
                from billing.customers as u
                where
                    u.email = lower(payments.email)
                    or u.user_id in (
                        select o.id from public.profiles as o where o.email = lower(payments.email)
                    )
            ))
        )
        and (payments.before is null or p.created_at < payments.before)
    order by p.created_at desc, p.id
    limit least(greatest(coalesce(page_size, 50), 1), 200);
end
$$;
comment on function admin.payments(uuid, text, timestamptz, integer) is
'A page of payments, newest first. Definer because others see their own only; checks that the caller is an admin.';

create function public.admin_payments(
    order_id uuid default null,
    email text default null,
    before timestamptz default null,
    page_size integer default 50
)
returns setof public.admin_payment
language sql
stable
set search_path = ''
begin atomic
    select
        p.id, p.order_id, p.subscription_id, p.user_id, p.organization_id, p.email, p.status,
        p.currency, p.amount,
        p.amount_refunded, p.amount_requested, p.disputed, p.failure_code, p.created_at, p.paid_at
    from admin.payments(
        admin_payments.order_id, admin_payments.email, admin_payments.before, admin_payments.page_size
    ) as p;
end;
comment on function public.admin_payments(uuid, text, timestamptz, integer) is
'Admins: payments of an order, of a customer, or of everybody, newest first; the next page is `before` the last created_at. Their ids are what admin_refund_payment takes.';
