-- No client access: a job of the queue seals.
revoke all on table audit.seals from anon, authenticated, service_role, edge_service;

alter table audit.seals enable row level security;
alter table audit.seals force row level security;
