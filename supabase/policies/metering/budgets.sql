-- No client access: set through public.admin_set_budget.
revoke all on table metering.budgets from anon, authenticated, service_role, edge_service;

alter table metering.budgets enable row level security;
alter table metering.budgets force row level security;
