-- No client access: written by the triggers of ledger.entries, summed up by a job.
revoke all on table ledger.deltas from anon, authenticated, service_role, edge_service;

alter table ledger.deltas enable row level security;
alter table ledger.deltas force row level security;
