revoke all on table public.plans from anon, authenticated, service_role, edge_service;

alter table public.plans enable row level security;
alter table public.plans force row level security;

create policy select_catalogue on public.plans
for select to anon, authenticated
using (true);
comment on policy select_catalogue on public.plans is
'What is for sale may be seen by anyone, also before they sign up; orders keep their own copies of what no longer is.';

grant select on table public.plans to anon, authenticated, service_role;
