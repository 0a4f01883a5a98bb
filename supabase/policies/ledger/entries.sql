-- No client access: posted by functions of the domains above.
revoke all on table ledger.entries from anon, authenticated, service_role, edge_service;

alter table ledger.entries enable row level security;
alter table ledger.entries force row level security;
