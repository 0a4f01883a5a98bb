-- No client access: prices are ours.
revoke all on table ai.models from anon, authenticated, service_role, edge_service;

alter table ai.models enable row level security;
alter table ai.models force row level security;
