-- No client access: written by the triggers of ledger.entries.
revoke all on table ledger.totals from anon, authenticated, service_role, edge_service;

alter table ledger.totals enable row level security;
alter table ledger.totals force row level security;
