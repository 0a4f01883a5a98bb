-- No client access: written when a mail server refuses an address.
revoke all on table jobs.bounced_addresses from anon, authenticated, service_role, edge_service;

alter table jobs.bounced_addresses enable row level security;
alter table jobs.bounced_addresses force row level security;
