revoke all on table public.prices from anon, authenticated, service_role, edge_service;

alter table public.prices enable row level security;
alter table public.prices force row level security;

create policy select_catalogue on public.prices
for select to anon, authenticated
using (
    archived_at is null
    and product_id = any (array(select p.id from public.products as p where p.archived_at is null))
);
comment on policy select_catalogue on public.prices is
'What is for sale may be seen by anyone, also before they sign up; orders keep their own copies of what no longer is.';

grant select on table public.prices to anon, authenticated, service_role;
