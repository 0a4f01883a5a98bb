-- No client access: admin_jobs shows it.
revoke all on table jobs.finished from anon, authenticated, service_role, edge_service;

alter table jobs.finished enable row level security;
alter table jobs.finished force row level security;
