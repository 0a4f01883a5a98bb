-- No client access: written by functions of metering, for whom trusted code asks.
revoke all on table metering.reservations from anon, authenticated, service_role, edge_service;

alter table metering.reservations enable row level security;
alter table metering.reservations force row level security;
