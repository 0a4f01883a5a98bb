-- An invitation travels by mail. Its link is the newest one, and no mail leaves for an
-- invitation that is not open any more.

set lock_timeout = '5s';

insert into jobs.email_templates (template, params, description) values
(
    'organization_invitation',
    '{"organization": "text", "inviter": "text?", "role": "text", "token": "text",
      "expires_at": "timestamp"}',
    'Invites an address to an organization, with the secret of the link.'
);

create function identity.mail_invitation(invitation public.issued_invitation)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_organization text;
    v_inviter text;
begin
    select o.name, p.name into v_organization, v_inviter
    from public.invitations as i
    join public.organizations as o on o.id = i.organization_id
    join public.profiles as p on p.id = i.invited_by
    where i.id = invitation.id;

    -- Only the confirmed owner of the address: somebody else may have registered it. Once, however often the link
    -- is renewed.
    perform identity.notify(
        p.id, 'organization_invitation',
        jsonb_build_object('invitation_id', invitation.id, 'organization', v_organization),
        'invitation:' || invitation.id
    )
    from public.profiles as p
    join auth.users as u on u.id = p.id
    where p.email = invitation.email and u.email_confirmed_at is not null;

    return jobs.email(
        'organization_invitation', invitation.email,
        jsonb_build_object(
            'organization', v_organization, 'inviter', v_inviter, 'role', invitation.role,
            'token', invitation.token, 'expires_at', invitation.expires_at
        ),
        format('invitation:%s:%s', invitation.id, left(encode(identity.token_hash(invitation.token), 'hex'), 16))
    );
end
$$;
comment on function identity.mail_invitation(public.issued_invitation) is
'Stages the mail with the link and returns its id; a guest who has an account hears of it in the app too.';

create function identity.withdraw_invitation_mail()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform jobs.end_emails(array[t.email_id], 'withdrawn', 'The invitation is not open any more.')
    from identity.invitation_tokens as t
    where t.invitation_id = new.id and t.email_id is not null;
    return null;
end
$$;
comment on function identity.withdraw_invitation_mail() is
'However an invitation ends, its mail does not leave any more. Definer so that whoever ends it needs no right to write mails.';

create trigger _300_withdraw_mail
after update of accepted_at, revoked_at on public.invitations
for each row
when (
    old.accepted_at is null and old.revoked_at is null
    and (new.accepted_at is not null or new.revoked_at is not null)
)
execute function identity.withdraw_invitation_mail();
