revoke all on table public.order_items from anon, authenticated, service_role, edge_service;

alter table public.order_items enable row level security;
alter table public.order_items force row level security;

create policy select_own on public.order_items
for select to authenticated
using (user_id = (select auth.uid()));
comment on policy select_own on public.order_items is 'People see what they ordered. Nobody writes it: see edge.start_checkout.';

grant select on table public.order_items to authenticated, service_role;
