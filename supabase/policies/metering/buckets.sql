-- No client access: metering.take reads and writes it.
revoke all on table metering.buckets from anon, authenticated, service_role, edge_service;

alter table metering.buckets enable row level security;
alter table metering.buckets force row level security;
