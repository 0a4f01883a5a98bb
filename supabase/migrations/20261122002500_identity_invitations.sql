-- Invitations are single use, expire, are bound to one e-mail address and are worth
-- nothing once the inviter could not grant the role any more.

set lock_timeout = '5s';

create table public.invitations (
    id uuid constraint invitations_pkey primary key default gen_random_uuid(),
    organization_id uuid not null,
    email text not null,
    role text not null default 'member',
    invited_by uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '7 days',
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at timestamptz,
    constraint invitations_organization_id_fkey
    foreign key (organization_id) references public.organizations (id),
    constraint invitations_invited_by_fkey foreign key (invited_by) references public.profiles (id),
    constraint invitations_accepted_by_fkey foreign key (accepted_by) references public.profiles (id),
    constraint email_is_an_address check (core.valid(core.is_email(email), 'email', 'an e-mail address')),
    constraint role_is_known check (core.valid(
        role in ('owner', 'admin', 'member'), 'role', 'owner, admin or member'
    )),
    constraint accepted_by_someone check ((accepted_at is null) = (accepted_by is null)),
    constraint accepted_or_revoked check (accepted_at is null or revoked_at is null)
);
comment on table public.invitations is
'Who was invited to which organization. Its admins read it; the RPC functions write it.';

create unique index one_open_invitation_per_address
on public.invitations (organization_id, email)
where accepted_at is null and revoked_at is null;

create index invitations_by_inviter on public.invitations (invited_by);
create index invitations_by_guest on public.invitations (accepted_by);

create table identity.invitation_tokens (
    invitation_id uuid constraint invitation_tokens_pkey primary key,
    token_hash bytea not null,
    email_id uuid,
    constraint invitation_tokens_invitation_id_fkey
    foreign key (invitation_id) references public.invitations (id) on delete cascade,
    constraint token_opens_one_invitation unique (token_hash),
    constraint token_hash_is_sha256 check (octet_length(token_hash) = 32)
);
comment on table identity.invitation_tokens is
'SHA-256 of the secret in the invitation link. The secret itself is shown once, and stored only in the mail, until that is sent.';
comment on column identity.invitation_tokens.email_id is
'The mail with this link, to be withdrawn with it. No foreign key: jobs forget their mails earlier than we our invitations.';

create function identity.token_hash(token text)
returns bytea
language sql
immutable
parallel safe
set search_path = ''
return sha256(convert_to(token, 'UTF8'));
comment on function identity.token_hash(text) is
'A fast hash is enough: the tokens have 244 random bits, nobody guesses them.';

create type public.issued_invitation as (
    id uuid,
    organization_id uuid,
    email text,
    role text,
    expires_at timestamptz,
    token text
);
comment on type public.issued_invitation is
'What invite_member returns: the invitation and, this one time, the secret of its link.';

create function identity.open_invitation(inviter public.memberships, guest_email text, guest_role text)
returns public.issued_invitation
language sql
volatile
set search_path = ''
as $$
    insert into public.invitations as i (organization_id, email, role, invited_by)
    values (inviter.organization_id, guest_email, guest_role, inviter.user_id)
    on conflict (organization_id, email) where accepted_at is null and revoked_at is null
    do update set role = excluded.role, invited_by = excluded.invited_by, expires_at = excluded.expires_at
    returning i.id, i.organization_id, i.email, i.role, i.expires_at, null::text;
$$;
comment on function identity.open_invitation(public.memberships, text, text) is
'The one open invitation of this address, new or renewed by this inviter.';

create function identity.invite_member(organization_id uuid, email text, role text)
returns public.issued_invitation
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships := identity.require_role(organization_id, 'admin');
    v_email text := lower(btrim(email));
    v_issued public.issued_invitation;
begin
    perform core.valid(email is not null, 'email', 'given');
    perform core.valid(role is not null, 'role', 'given');
    perform identity.require_rank_over(v_caller, role);

    if exists (
        select from public.memberships as m
        join public.profiles as p on p.id = m.user_id
        where m.organization_id = v_caller.organization_id and p.email = v_email
    ) then
        perform core.fail('conflict', 'This person is a member already.', jsonb_build_object('field', 'email'));
    end if;

    perform identity.require_rank_over(v_caller, i.role)
    from public.invitations as i
    where
        i.organization_id = v_caller.organization_id and i.email = v_email
        and i.accepted_at is null and i.revoked_at is null;

    v_issued := identity.open_invitation(v_caller, v_email, role);
    v_issued.token := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

    perform jobs.end_emails(array[t.email_id], 'withdrawn', 'A newer link replaces this one.')
    from identity.invitation_tokens as t
    where t.invitation_id = v_issued.id;
    insert into identity.invitation_tokens as t (invitation_id, token_hash, email_id)
    values (v_issued.id, identity.token_hash(v_issued.token), identity.mail_invitation(v_issued))
    on conflict on constraint invitation_tokens_pkey
    do update set token_hash = excluded.token_hash, email_id = excluded.email_id;
    return v_issued;
end
$$;
comment on function identity.invite_member(uuid, text, text) is
'Opens an invitation, or renews the open one for this address, and mails the link: the newest alone is valid, so that a repeated call is harmless.
The caller gets the token too, to hand the link over: it opens nothing for anybody but the confirmed owner of the address.
Definer because clients write neither invitations nor tokens.';

create function identity.revoke_invitation(invitation_id uuid)
returns public.invitations
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_caller public.memberships;
    v_invitation public.invitations;
begin
    v_caller := identity.require_role(
        (select i.organization_id from public.invitations as i where i.id = revoke_invitation.invitation_id), 'admin'
    );
    update public.invitations as i
    set revoked_at = now()
    where i.id = revoke_invitation.invitation_id and i.accepted_at is null and i.revoked_at is null
    returning i.* into v_invitation;
    if not found then
        perform core.fail('invalid_state', 'This invitation is not open any more.');
    end if;
    perform identity.require_rank_over(v_caller, v_invitation.role);
    return v_invitation;
end
$$;
comment on function identity.revoke_invitation(uuid) is
'Closes an open invitation of an organization that the caller administers. Definer because clients do not write invitations.';

create function identity.revoke_lost_invitations()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    update public.invitations as i
    set revoked_at = now()
    where
        i.organization_id = old.organization_id and i.invited_by = old.user_id
        and i.accepted_at is null and i.revoked_at is null
        and (
            tg_op = 'DELETE'
            or identity.rank(new.role) < greatest(identity.rank('admin'), identity.rank(i.role))
        );
    return null;
end
$$;
comment on function identity.revoke_lost_invitations() is
'An invitation ends with its inviter''s right to give it, and does not come back with it. Definer because clients do not write invitations.';

create trigger _400_revoke_invitations
after delete or update of role on public.memberships
for each row
execute function identity.revoke_lost_invitations();
