-- Invitations as clients use them.

set lock_timeout = '5s';

create function public.invite_member(organization_id uuid, email text, role text default 'member')
returns public.issued_invitation
language sql
volatile
set search_path = ''
return identity.invite_member(organization_id, email, role);
comment on function public.invite_member(uuid, text, text) is
'Admins and owners: invite an address with a role up to your own; it gets the link by mail. The token for the link is returned once. Repeating renews and mails it again.';

create function public.accept_invitation(token text)
returns public.memberships
language sql
volatile
set search_path = ''
return identity.accept_invitation(token);
comment on function public.accept_invitation(text) is
'Join an organization with the token of the invitation that was sent to your e-mail address. Returns your membership.';

create function public.revoke_invitation(invitation_id uuid)
returns public.invitations
language sql
volatile
set search_path = ''
return identity.revoke_invitation(invitation_id);
comment on function public.revoke_invitation(uuid) is
'Admins and owners: close an open invitation, so that its link is worth nothing.';
