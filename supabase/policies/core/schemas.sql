-- Which rooms each role may enter. Schemas of the domains stay closed to clients:
-- what clients call there, they reach through functions of public.

grant usage on schema public to anon, authenticated, service_role;

-- For typed errors and validation inside triggers, which run as the client.
grant usage on schema core to authenticated, service_role;

grant usage on schema edge to edge_service, authenticated;

-- The auth service calls its token hook by name.
grant usage on schema identity to supabase_auth_admin;
