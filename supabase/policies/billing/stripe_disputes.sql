-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.stripe_disputes from anon, authenticated, service_role, edge_service;

alter table billing.stripe_disputes enable row level security;
alter table billing.stripe_disputes force row level security;
