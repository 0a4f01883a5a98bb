-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.stripe_events from anon, authenticated, service_role, edge_service;

alter table billing.stripe_events enable row level security;
alter table billing.stripe_events force row level security;
