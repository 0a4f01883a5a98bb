-- What people, organizations and their work go through is kept in the audit log.

set lock_timeout = '5s';

-- What people wrote would outlive the person whom identity.forget_person forgets: the
-- log keeps that it changed, not what it said.
select audit.track('public.profiles', key => '{id}', secret => '{email,name}');
select audit.track('public.organizations', key => '{id}');
select audit.track('public.memberships', key => '{organization_id,user_id}');
select audit.track('public.invitations', key => '{id}', secret => '{email}');
select audit.track('public.projects', key => '{id}', secret => '{name,data}');
select audit.track('public.tasks', key => '{id}', secret => '{title}');
