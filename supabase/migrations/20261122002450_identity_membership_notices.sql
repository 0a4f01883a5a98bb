-- Members hear in the app what others did to their membership.

set lock_timeout = '5s';

create function identity.notice_membership()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_kind text := 'membership_removed';
    v_data jsonb;
begin
    select jsonb_build_object('organization_id', o.id, 'organization', o.name) into v_data
    from public.organizations as o where o.id = old.organization_id;

    if tg_op = 'UPDATE' then
        v_kind := case new.role when 'owner' then 'ownership_received' else 'membership_role_changed' end;
        v_data := v_data || jsonb_build_object('role', new.role);
    end if;
    perform identity.notify(
        old.user_id, v_kind, v_data,
        format('%s:%s:%s:%s', v_kind, old.organization_id, v_data ->> 'role', extract(epoch from now()))
    );
    return null;
end
$$;
comment on function identity.notice_membership() is
'Another role, the ownership, or no membership any more. Definer because clients do not write notifications.';

create trigger _500_notice_role
after update of role on public.memberships
for each row
when (old.role <> new.role and old.user_id is distinct from auth.uid())
execute function identity.notice_membership();

create trigger _510_notice_removal
after delete on public.memberships
for each row
when (old.user_id is distinct from auth.uid())
execute function identity.notice_membership();
