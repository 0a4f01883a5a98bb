-- No client access: set through public.admin_set_limit.
revoke all on table metering.overrides from anon, authenticated, service_role, edge_service;

alter table metering.overrides enable row level security;
alter table metering.overrides force row level security;
