-- No client access: prompts are ours; clients know a feature by its name.
revoke all on table ai.features from anon, authenticated, service_role, edge_service;

alter table ai.features enable row level security;
alter table ai.features force row level security;
