-- No client access: the functions of jobs and edge write it.
revoke all on table jobs.queue from anon, authenticated, service_role, edge_service;

alter table jobs.queue enable row level security;
alter table jobs.queue force row level security;
