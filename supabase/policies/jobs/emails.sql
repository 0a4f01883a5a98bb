-- No client access: other domains stage mail, the worker sends it through functions of edge.
revoke all on table jobs.emails from anon, authenticated, service_role, edge_service;

alter table jobs.emails enable row level security;
alter table jobs.emails force row level security;
