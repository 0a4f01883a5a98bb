-- No client access: core.recall and core.remember serve the RPC functions.
revoke all on table core.idempotency_keys from anon, authenticated, service_role, edge_service;

alter table core.idempotency_keys enable row level security;
alter table core.idempotency_keys force row level security;
