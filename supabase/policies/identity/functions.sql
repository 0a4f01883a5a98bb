-- Clients call public; the internals behind it are executable so that the invoker
-- wrappers reach them, and out of reach by name.

grant execute on function public.admin_set_role(uuid, text) to authenticated;
grant execute on function public.create_organization(text, text, text) to authenticated;
grant execute on function public.set_member_role(uuid, uuid, text) to authenticated;
grant execute on function public.remove_member(uuid, uuid) to authenticated;
grant execute on function public.leave_organization(uuid) to authenticated;
grant execute on function public.transfer_ownership(uuid, uuid) to authenticated;
grant execute on function public.delete_organization(uuid) to authenticated;
grant execute on function public.organization_members(uuid) to authenticated;
grant execute on function public.invite_member(uuid, text, text) to authenticated;
grant execute on function public.accept_invitation(text) to authenticated;
grant execute on function public.revoke_invitation(uuid) to authenticated;
grant execute on function public.my_email_preferences() to authenticated;
grant execute on function public.set_email_preference(text, boolean) to authenticated;
grant execute on function public.mark_notifications_read() to authenticated;

grant execute on function identity.admin_set_role(uuid, text) to authenticated;
grant execute on function identity.create_organization(text, text, text) to authenticated;
grant execute on function identity.set_member_role(uuid, uuid, text) to authenticated;
grant execute on function identity.remove_member(uuid, uuid) to authenticated;
grant execute on function identity.leave_organization(uuid) to authenticated;
grant execute on function identity.transfer_ownership(uuid, uuid) to authenticated;
grant execute on function identity.delete_organization(uuid) to authenticated;
grant execute on function identity.organization_members(uuid) to authenticated;
grant execute on function identity.invite_member(uuid, text, text) to authenticated;
grant execute on function identity.accept_invitation(text) to authenticated;
grant execute on function identity.revoke_invitation(uuid) to authenticated;
grant execute on function identity.my_email_preferences() to authenticated;
grant execute on function identity.set_email_preference(text, boolean) to authenticated;
grant execute on function identity.mark_notifications_read() to authenticated;

-- Asked by policies and by edge.me, for the caller alone.
grant execute on function identity.my_profile() to authenticated;
grant execute on function identity.my_organization_ids() to authenticated;
grant execute on function identity.require_profile() to authenticated;

grant execute on function identity.custom_access_token_hook(jsonb) to supabase_auth_admin;
grant execute on function edge.me() to authenticated;

-- Whoever follows the link in a mail is not signed in.
grant execute on function edge.unsubscribe(uuid) to edge_service;
