-- No client access: the worker seals through edge.seal_audit_log.
revoke all on table audit.seals from anon, authenticated, service_role, edge_service;

alter table audit.seals enable row level security;
alter table audit.seals force row level security;
