revoke all on table public.products from anon, authenticated, service_role, edge_service;

alter table public.products enable row level security;
alter table public.products force row level security;

create policy select_catalogue on public.products
for select to anon, authenticated
using (archived_at is null);
comment on policy select_catalogue on public.products is
'What is for sale may be seen by anyone, also before they sign up; orders keep their own copies of what no longer is.';

grant select on table public.products to anon, authenticated, service_role;
