-- An organization always has an owner, whoever leaves, is demoted or deleted, and
-- however many do so at once.

set lock_timeout = '5s';

create function identity.keep_an_owner()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_organization_id uuid;
begin
    if tg_table_name = 'organizations' then
        v_organization_id := new.id;
    else
        v_organization_id := old.organization_id;
    end if;

    -- Written, not only locked, so that two leaving owners collide under every isolation level.
    update public.organizations as o
    set updated_at = now()
    where o.id = v_organization_id and o.deleted_at is null;

    if found and not exists (
        select from public.memberships as m
        where m.organization_id = v_organization_id and m.role = 'owner'
    ) then
        perform core.fail(
            'invalid_state', 'An organization always has an owner. Transfer the ownership first.',
            jsonb_build_object('rule', 'an_owner_remains', 'organization_id', v_organization_id)
        );
    end if;
    return null;
end
$$;
comment on function identity.keep_an_owner() is
'Refuses whatever would leave a live organization without an owner. Definer because it must see every membership.';

create trigger _300_keep_an_owner
after delete or update of role on public.memberships
for each row
when (old.role = 'owner')
execute function identity.keep_an_owner();

-- Deferred, because the first owner can join only after the organization exists.
create constraint trigger _300_keep_an_owner
after insert or update of deleted_at on public.organizations
deferrable initially deferred
for each row
execute function identity.keep_an_owner();
