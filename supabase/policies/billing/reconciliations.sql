-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.reconciliations from anon, authenticated, service_role, edge_service;

alter table billing.reconciliations enable row level security;
alter table billing.reconciliations force row level security;
