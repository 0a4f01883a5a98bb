-- No client access: admins read it through public.admin_audit_log.
revoke all on table audit.log from anon, authenticated, service_role, edge_service;

alter table audit.log enable row level security;
alter table audit.log force row level security;
