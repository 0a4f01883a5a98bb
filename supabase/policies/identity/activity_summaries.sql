-- No client access: it is empty between two runs, and the run is the database's own.
revoke all on table identity.activity_summaries from anon, authenticated, service_role, edge_service;

alter table identity.activity_summaries enable row level security;
alter table identity.activity_summaries force row level security;
