-- No client access: read and written by functions of ai, behind the edge.
revoke all on table ai.requests from anon, authenticated, service_role, edge_service;

alter table ai.requests enable row level security;
alter table ai.requests force row level security;
