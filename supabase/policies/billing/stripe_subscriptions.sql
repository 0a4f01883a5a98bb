-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.stripe_subscriptions from anon, authenticated, service_role, edge_service;

alter table billing.stripe_subscriptions enable row level security;
alter table billing.stripe_subscriptions force row level security;
