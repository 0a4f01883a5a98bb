-- No client access: written and read by functions of billing, and of the domains above.
revoke all on table billing.invoices from anon, authenticated, service_role, edge_service;

alter table billing.invoices enable row level security;
alter table billing.invoices force row level security;
