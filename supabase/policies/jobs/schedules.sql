-- No client access: declared by migrations, fired by workers.
revoke all on table jobs.schedules from anon, authenticated, service_role, edge_service;

alter table jobs.schedules enable row level security;
alter table jobs.schedules force row level security;
