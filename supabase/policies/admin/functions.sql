-- Each asks the database for the caller's role before anything else.

grant execute on function public.admin_audit_log(
    bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer
) to authenticated;
grant execute on function admin.audit_log(
    bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer
) to authenticated;
