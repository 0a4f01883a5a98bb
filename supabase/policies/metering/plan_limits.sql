revoke all on table public.plan_limits from anon, authenticated, service_role, edge_service;

alter table public.plan_limits enable row level security;
alter table public.plan_limits force row level security;

create policy select_catalogue on public.plan_limits
for select to anon, authenticated
using (true);
comment on policy select_catalogue on public.plan_limits is
'What a plan includes is part of what is for sale: anyone may compare.';

grant select on table public.plan_limits to anon, authenticated, service_role;
