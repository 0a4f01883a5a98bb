-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.discrepancies from anon, authenticated, service_role, edge_service;

alter table billing.discrepancies enable row level security;
alter table billing.discrepancies force row level security;
