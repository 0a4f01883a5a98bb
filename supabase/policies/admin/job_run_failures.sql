revoke all on table public.job_run_failures from anon, authenticated, service_role, edge_service;

alter table public.job_run_failures enable row level security;
alter table public.job_run_failures force row level security;

create policy select_admin on public.job_run_failures
for select to authenticated
using ((select admin.is_admin()));
comment on policy select_admin on public.job_run_failures is 'Admins see what the runs could not do; nobody writes but the runs themselves.';

grant select on table public.job_run_failures to authenticated, service_role;
