revoke all on table public.job_runs from anon, authenticated, service_role, edge_service;

alter table public.job_runs enable row level security;
alter table public.job_runs force row level security;

create policy select_admin on public.job_runs
for select to authenticated
using ((select admin.is_admin()));
comment on policy select_admin on public.job_runs is 'Admins see every run of every schedule; nobody writes but the queue itself.';

grant select on table public.job_runs to authenticated, service_role;
