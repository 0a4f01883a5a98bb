-- The edge asks on behalf of a person …
grant execute on function edge.start_checkout(jsonb, text, text, text) to authenticated;
grant execute on function edge.retry_order(uuid) to authenticated;
grant execute on function edge.start_subscription(text, uuid, text, text) to authenticated;
grant execute on function edge.billing_customer(uuid) to authenticated;

-- … and reports what Stripe answered.
grant execute on function edge.bind_stripe_customer(uuid, text) to edge_service;
grant execute on function edge.open_checkout(uuid, jsonb) to edge_service;
grant execute on function edge.fail_checkout(uuid, text) to edge_service;
grant execute on function edge.receive_stripe_event(jsonb) to edge_service;

-- The worker's half.
grant execute on function edge.start_refetch(bigint, bigint) to edge_service;
grant execute on function edge.finish_refetch(bigint, bigint, bigint, jsonb) to edge_service;
grant execute on function edge.start_refund(bigint, bigint) to edge_service;
grant execute on function edge.finish_refund(bigint, bigint, jsonb, text) to edge_service;
grant execute on function edge.start_cancellation(bigint, bigint) to edge_service;
grant execute on function edge.finish_cancellation(bigint, bigint, jsonb) to edge_service;
grant execute on function edge.start_expiry(bigint, bigint) to edge_service;
grant execute on function edge.finish_expiry(bigint, bigint, jsonb) to edge_service;
grant execute on function edge.start_reconciliation(bigint, bigint) to edge_service;
grant execute on function edge.reconcile_page(bigint, bigint, jsonb, boolean) to edge_service;
