-- No client access: codes reach clients as errors.
revoke all on table core.errors from anon, authenticated, service_role, edge_service;

alter table core.errors enable row level security;
alter table core.errors force row level security;
