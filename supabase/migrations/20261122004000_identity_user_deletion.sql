-- Deleting an auth user forgets the person and keeps the history: the profile stays
-- as an anonymous owner of whatever must never be deleted.
--
-- Order of locks, the same as in every RPC: the person, then organizations by id. So
-- nothing that the person began can finish behind the deletion's back, and two
-- deletions never wait for each other in a circle.

set lock_timeout = '5s';

create function identity.lock_person(user_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if exists (select from public.profiles as p where p.id = lock_person.user_id and p.role = 'super_admin') then
        perform identity.lock_super_admins(user_id);
    else
        perform from public.profiles as p where p.id = lock_person.user_id for no key update;
    end if;

    perform from public.organizations as o
    where o.id in (select m.organization_id from public.memberships as m where m.user_id = lock_person.user_id)
    order by o.id
    for no key update;
end
$$;
comment on function identity.lock_person(uuid) is
'Waits for whatever this person or their organizations are in the middle of. Definer because clients cannot take these locks.';

create function identity.hand_over_organization(organization_id uuid, leaver_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_heir public.memberships;
begin
    select m.* into v_heir
    from public.memberships as m
    join public.profiles as p on p.id = m.user_id and p.deleted_at is null
    where m.organization_id = hand_over_organization.organization_id and m.user_id <> leaver_id
    order by identity.rank(m.role) desc, m.created_at, m.user_id
    limit 1;

    if not found then
        update public.organizations as o
        set deleted_at = now()
        where o.id = hand_over_organization.organization_id;
    elsif v_heir.role <> 'owner' then
        update public.memberships as m
        set role = 'owner'
        where m.organization_id = v_heir.organization_id and m.user_id = v_heir.user_id;
    end if;
end
$$;
comment on function identity.hand_over_organization(uuid, uuid) is
'An owner goes: another owner stays, else the highest and then longest-serving member inherits, else the organization ends.
Definer because the auth service may not write these tables.';

create function identity.forget_person()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.lock_person(old.id);

    perform identity.hand_over_organization(m.organization_id, old.id)
    from (
        select m.organization_id
        from public.memberships as m
        where m.user_id = old.id and m.role = 'owner'
        order by m.organization_id
    ) as m;
    delete from public.memberships as m where m.user_id = old.id;

    perform identity.withdraw_emails(old.id, null, 'The account was deleted.');
    delete from identity.unsubscriptions as u where u.user_id = old.id;
    delete from public.notifications as n where n.user_id = old.id;

    -- What was sent to an address that nobody confirmed belongs to somebody else.
    if old.email_confirmed_at is not null then
        update public.invitations as i
        set revoked_at = now()
        where i.email = lower(old.email) and i.accepted_at is null and i.revoked_at is null;
        update public.invitations as i
        set email = 'deleted@user.invalid'
        where i.email = lower(old.email);
        perform jobs.end_emails(
            array(select e.id from jobs.emails as e where e.status = 'queued' and e."to" = lower(old.email)),
            'withdrawn', 'The account was deleted.'
        );
    end if;
    update public.invitations as i
    set email = 'deleted@user.invalid'
    where i.accepted_by = old.id;

    update public.tasks as t
    set title = '', deleted_at = coalesce(t.deleted_at, now())
    where t.user_id = old.id and t.organization_id is null;
    update public.projects as p
    set name = 'Deleted', data = '{}', deleted_at = coalesce(p.deleted_at, now())
    where p.user_id = old.id and p.organization_id is null;

    delete from jobs.bounced_addresses as b where b.address = lower(old.email);
    delete from core.idempotency_keys as k where k.user_id = old.id;
    update public.profiles as p
    set email = null, name = null, role = 'user', deleted_at = now()
    where p.id = old.id and p.deleted_at is null;
    return null;
end
$$;
comment on function identity.forget_person() is
'Anonymizes the profile, ends memberships and open invitations, withdraws mails, deletes notifications, blanks private projects and tasks. Refused for the last super admin.
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
