-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.reconciled_objects from anon, authenticated, service_role, edge_service;

alter table billing.reconciled_objects enable row level security;
alter table billing.reconciled_objects force row level security;
