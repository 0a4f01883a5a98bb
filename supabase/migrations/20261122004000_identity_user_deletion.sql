-- Deleting an auth user forgets the person and keeps the history: the profile stays
-- as an anonymous owner of whatever must never be deleted.

set lock_timeout = '5s';

create function identity.hand_over_organizations(user_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_organization_id uuid;
    v_heir_id uuid;
begin
    for v_organization_id in
        select m.organization_id
        from public.memberships as m
        where m.user_id = hand_over_organizations.user_id and m.role = 'owner'
        order by m.organization_id
    loop
        perform from public.organizations as o where o.id = v_organization_id for no key update;
        continue when exists (
            select from public.memberships as m
            where m.organization_id = v_organization_id and m.role = 'owner'
            and m.user_id <> hand_over_organizations.user_id
        );

        select m.user_id into v_heir_id
        from public.memberships as m
        where m.organization_id = v_organization_id and m.user_id <> hand_over_organizations.user_id
        order by identity.rank(m.role) desc, m.created_at
        limit 1;

        if found then
            update public.memberships as m
            set role = 'owner'
            where m.organization_id = v_organization_id and m.user_id = v_heir_id;
        else
            update public.organizations as o set deleted_at = now() where o.id = v_organization_id;
        end if;
    end loop;
end
$$;
comment on function identity.hand_over_organizations(uuid) is
'Every organization that this person alone owns goes to its highest, then longest-serving member; an empty one is deleted.
Definer because it is called by the auth service''s deletion of a user.';

create function identity.forget_person()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.hand_over_organizations(old.id);
    delete from public.memberships as m where m.user_id = old.id;

    update public.invitations as i
    set revoked_at = now()
    where (i.invited_by = old.id or i.email = lower(old.email)) and i.accepted_at is null and i.revoked_at is null;
    update public.invitations as i
    set email = 'deleted@user.invalid'
    where i.accepted_by = old.id or i.email = lower(old.email);

    update public.projects as p
    set deleted_at = now()
    where p.user_id = old.id and p.organization_id is null and p.deleted_at is null;
    delete from core.idempotency_keys as k where k.user_id = old.id;

    update public.profiles as p
    set email = null, name = null, role = 'user', deleted_at = now()
    where p.id = old.id and p.deleted_at is null;
    return null;
end
$$;
comment on function identity.forget_person() is
'Anonymizes the profile, ends memberships and open invitations, deletes private projects. Refused for the last super admin.
Definer because the auth service may not write these tables.';

create trigger _300_forget_deleted
after delete on auth.users
for each row
execute function identity.forget_person();

create trigger _310_forget_soft_deleted
after update of deleted_at on auth.users
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function identity.forget_person();
