-- No client access: a person hears of a limit when it is reached.
revoke all on table metering.rate_limits from anon, authenticated, service_role, edge_service;

alter table metering.rate_limits enable row level security;
alter table metering.rate_limits force row level security;
