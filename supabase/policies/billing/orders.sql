revoke all on table public.orders from anon, authenticated, service_role, edge_service;

alter table public.orders enable row level security;
alter table public.orders force row level security;

create policy select_own on public.orders
for select to authenticated
using (user_id = (select auth.uid()));
comment on policy select_own on public.orders is 'People see what they ordered. Nobody writes it: see edge.start_checkout.';

grant select on table public.orders to authenticated, service_role;
