-- No client access: posted by functions of the domains above.
revoke all on table ledger.transfers from anon, authenticated, service_role, edge_service;

alter table ledger.transfers enable row level security;
alter table ledger.transfers force row level security;
