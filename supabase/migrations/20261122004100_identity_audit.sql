-- What people, organizations and their work go through is kept in the audit log.

set lock_timeout = '5s';

-- An address would outlive the person whom identity.forget_person forgets; that it changed is kept.
select audit.track('public.profiles', key => '{id}', secret => '{email}');
select audit.track('public.organizations', key => '{id}');
select audit.track('public.memberships', key => '{organization_id,user_id}');
select audit.track('public.invitations', key => '{id}', secret => '{email}');
select audit.track('public.projects', key => '{id}');
select audit.track('public.tasks', key => '{id}');
