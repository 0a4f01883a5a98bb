-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.transitions from anon, authenticated, service_role, edge_service;

alter table billing.transitions enable row level security;
alter table billing.transitions force row level security;
