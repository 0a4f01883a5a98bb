-- Another attempt at an order whose payment failed.

set lock_timeout = '5s';

create function edge.retry_order(order_id uuid)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_customer billing.customers := billing.my_customer(null);
    v_order public.orders;
    v_checkout billing.checkouts;
begin
    select o.* into v_order
    from public.orders as o
    where o.id = retry_order.order_id and o.user_id = v_customer.user_id
    for no key update;
    if not found then
        perform core.fail('not_found', 'There is no such order.');
    end if;
    if v_order.status not in ('failed', 'pending') then
        perform core.fail(
            'invalid_state', 'Only an order that still waits for its payment can be paid.',
            jsonb_build_object('status', v_order.status)
        );
    end if;

    v_checkout := billing.attempt(v_order.id);
    if v_checkout.status = 'processing' then
        perform core.fail(
            'invalid_state', 'The bank is at work on this payment. Wait for it.', '{"status": "processing"}'
        );
    end if;
    return billing.shown_checkout(v_checkout);
end
$$;
comment on function edge.retry_order(uuid) is
'Another attempt at an order whose payment failed: on the page that is still open, else staged anew. Definer because clients write neither.';
