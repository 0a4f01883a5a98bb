-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.customers from anon, authenticated, service_role, edge_service;

alter table billing.customers enable row level security;
alter table billing.customers force row level security;
