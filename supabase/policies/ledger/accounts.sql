-- No client access: opened and read by functions of the domains above.
revoke all on table ledger.accounts from anon, authenticated, service_role, edge_service;

alter table ledger.accounts enable row level security;
alter table ledger.accounts force row level security;
