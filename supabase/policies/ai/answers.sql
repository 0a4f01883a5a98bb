-- No client access: read and written by functions of ai, behind the edge.
revoke all on table ai.answers from anon, authenticated, service_role, edge_service;

alter table ai.answers enable row level security;
alter table ai.answers force row level security;
