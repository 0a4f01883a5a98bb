-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.stripe_refunds from anon, authenticated, service_role, edge_service;

alter table billing.stripe_refunds enable row level security;
alter table billing.stripe_refunds force row level security;
