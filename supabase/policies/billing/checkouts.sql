-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.checkouts from anon, authenticated, service_role, edge_service;

alter table billing.checkouts enable row level security;
alter table billing.checkouts force row level security;
