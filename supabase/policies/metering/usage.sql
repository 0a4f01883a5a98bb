revoke all on table public.usage from anon, authenticated, service_role, edge_service;

alter table public.usage enable row level security;
alter table public.usage force row level security;

create policy select_own on public.usage
for select to authenticated
using (user_id = (select auth.uid()));
comment on policy select_own on public.usage is
'People see what they used. Nobody writes here: what was used is counted by functions that also refuse.';

grant select on table public.usage to authenticated, service_role;
