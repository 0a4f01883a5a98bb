-- No client access: declared by migrations.
revoke all on table jobs.email_templates from anon, authenticated, service_role, edge_service;

alter table jobs.email_templates enable row level security;
alter table jobs.email_templates force row level security;
