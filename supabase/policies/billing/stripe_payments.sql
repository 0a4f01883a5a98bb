-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.stripe_payments from anon, authenticated, service_role, edge_service;

alter table billing.stripe_payments enable row level security;
alter table billing.stripe_payments force row level security;
