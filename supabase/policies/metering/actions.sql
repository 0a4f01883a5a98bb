-- No client access: declared by migrations.
revoke all on table metering.actions from anon, authenticated, service_role, edge_service;

alter table metering.actions enable row level security;
alter table metering.actions force row level security;
