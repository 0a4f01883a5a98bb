revoke all on table public.notifications from anon, authenticated, service_role, edge_service;

alter table public.notifications enable row level security;
alter table public.notifications force row level security;

create policy select_own on public.notifications
for select to authenticated
using (user_id = (select auth.uid()));
comment on policy select_own on public.notifications is 'People see what the app tells them.';

create policy update_own on public.notifications
for update to authenticated
using (user_id = (select auth.uid()))
with check (user_id = (select auth.uid()));
comment on policy update_own on public.notifications is 'People mark theirs as read; the grant lets them change nothing else.';

create policy delete_own on public.notifications
for delete to authenticated
using (user_id = (select auth.uid()));
comment on policy delete_own on public.notifications is 'People clear theirs away, for real: the cause has its own history.';

grant select on table public.notifications to authenticated, service_role;
grant delete on table public.notifications to authenticated;
grant update (read_at) on table public.notifications to authenticated;
