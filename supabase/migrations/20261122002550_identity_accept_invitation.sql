-- What has to be true before an invitation makes somebody a member.

set lock_timeout = '5s';

create function identity.lock_invitation(token text)
returns public.invitations
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_hash bytea := identity.token_hash(token);
    v_invitation public.invitations;
begin
    -- The same order of locks as everywhere: organization first. Renewing a link waits for it too.
    perform from public.organizations as o
    where o.id = (
        select i.organization_id
        from identity.invitation_tokens as t
        join public.invitations as i on i.id = t.invitation_id
        where t.token_hash = v_hash
    )
    for no key update;

    select i.* into v_invitation
    from identity.invitation_tokens as t
    join public.invitations as i on i.id = t.invitation_id
    where t.token_hash = v_hash;
    if not found then
        perform core.fail('not_found', 'This invitation does not exist or was replaced by a newer one.');
    end if;
    return v_invitation;
end
$$;
comment on function identity.lock_invitation(text) is
'The invitation of this token, with its organization locked. Definer because guests see no invitations.';

create function identity.require_address(user_id uuid, email text)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_is_confirmed boolean;
begin
    select u.email_confirmed_at is not null into v_is_confirmed
    from auth.users as u
    where u.id = require_address.user_id and lower(u.email) = require_address.email;

    if not found then
        perform core.fail(
            'forbidden', 'This invitation is for another e-mail address. Sign in with that one.',
            '{"reason": "other_address"}'
        );
    elsif not v_is_confirmed then
        perform core.fail('forbidden', 'Confirm your e-mail address first.', '{"reason": "unconfirmed_address"}');
    end if;
end
$$;
comment on function identity.require_address(uuid, text) is
'Refuses a person who has not shown that this address is theirs. Definer because clients do not see auth.users.';

create function identity.require_open(invitation public.invitations)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if invitation.accepted_at is not null then
        perform core.fail('invalid_state', 'This invitation was used already.', '{"reason": "accepted"}');
    elsif invitation.revoked_at is not null then
        perform core.fail('invalid_state', 'This invitation was revoked.', '{"reason": "revoked"}');
    elsif invitation.expires_at <= now() then
        perform core.fail('invalid_state', 'This invitation has expired. Ask for a new one.', '{"reason": "expired"}');
    end if;
end
$$;
comment on function identity.require_open(public.invitations) is
'Refuses an invitation that is used, revoked or expired.';

create function identity.accept_invitation(token text)
returns public.memberships
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.profiles := identity.lock_profile();
    v_invitation public.invitations := identity.lock_invitation(token);
    v_membership public.memberships;
begin
    perform identity.require_address(v_caller.id, v_invitation.email);
    perform identity.require_open(v_invitation);

    insert into public.memberships (organization_id, user_id, role)
    values (v_invitation.organization_id, v_caller.id, v_invitation.role)
    on conflict on constraint memberships_pkey do nothing
    returning * into v_membership;
    if v_membership.user_id is null then
        perform core.fail('conflict', 'You are a member already.');
    end if;

    update public.invitations as i
    set accepted_at = now(), accepted_by = v_caller.id
    where i.id = v_invitation.id;

    perform identity.notify(
        v_invitation.invited_by, 'invitation_accepted',
        jsonb_build_object(
            'invitation_id', v_invitation.id, 'organization_id', v_invitation.organization_id, 'user_id', v_caller.id
        ),
        'invitation_accepted:' || v_invitation.id
    );
    return v_membership;
end
$$;
comment on function identity.accept_invitation(text) is
'Joins the organization of a valid invitation, for the confirmed owner of its address, and tells the inviter.
Definer because guests are not members yet.';
