-- No client access, not even to hashes.
revoke all on table identity.invitation_tokens from anon, authenticated, service_role, edge_service;

alter table identity.invitation_tokens enable row level security;
alter table identity.invitation_tokens force row level security;
