-- No client access: written by functions of metering.
revoke all on table metering.spending from anon, authenticated, service_role, edge_service;

alter table metering.spending enable row level security;
alter table metering.spending force row level security;
