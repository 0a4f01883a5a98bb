-- No client access: migrations write it through audit.track.
revoke all on table audit.tracked_tables from anon, authenticated, service_role, edge_service;

alter table audit.tracked_tables enable row level security;
alter table audit.tracked_tables force row level security;
