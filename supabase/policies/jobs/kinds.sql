-- No client access: declared by migrations.
revoke all on table jobs.kinds from anon, authenticated, service_role, edge_service;

alter table jobs.kinds enable row level security;
alter table jobs.kinds force row level security;
