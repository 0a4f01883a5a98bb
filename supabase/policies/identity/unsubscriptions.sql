-- No client access: people reach their own through my_email_preferences and set_email_preference.
revoke all on table identity.unsubscriptions from anon, authenticated, service_role, edge_service;

alter table identity.unsubscriptions enable row level security;
alter table identity.unsubscriptions force row level security;
