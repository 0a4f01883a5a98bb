-- Each asks the database for the caller's role before anything else.

grant execute on function public.admin_audit_log(
    bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer
) to authenticated;
grant execute on function admin.audit_log(
    bigint, text, text, uuid, text, text, timestamptz, timestamptz, integer
) to authenticated;

grant execute on function public.admin_jobs(text, text, bigint, integer) to authenticated;
grant execute on function public.admin_retry_job(bigint) to authenticated;
grant execute on function public.admin_drop_job(bigint, text) to authenticated;

grant execute on function admin.jobs(text, text, bigint, integer) to authenticated;
grant execute on function admin.retry_job(bigint) to authenticated;
grant execute on function admin.drop_job(bigint, text) to authenticated;
grant execute on function admin.is_admin() to authenticated;

grant execute on function public.admin_stripe_events(text, timestamptz, integer) to authenticated;
grant execute on function public.admin_retry_stripe_event(text) to authenticated;
grant execute on function public.admin_ignore_stripe_event(text, text) to authenticated;
grant execute on function public.admin_payments(uuid, text, timestamptz, integer) to authenticated;
grant execute on function public.admin_refund_payment(uuid, bigint, text, text) to authenticated;
grant execute on function public.admin_discrepancies(boolean, bigint, integer) to authenticated;
grant execute on function public.admin_resolve_discrepancy(bigint, text) to authenticated;

grant execute on function admin.stripe_events(text, timestamptz, integer) to authenticated;
grant execute on function admin.retry_stripe_event(text) to authenticated;
grant execute on function admin.ignore_stripe_event(text, text) to authenticated;
grant execute on function admin.payments(uuid, text, timestamptz, integer) to authenticated;
grant execute on function admin.refund_payment(uuid, bigint, text, text) to authenticated;
grant execute on function admin.discrepancies(boolean, bigint, integer) to authenticated;
grant execute on function admin.resolve_discrepancy(bigint, text) to authenticated;

grant execute on function public.admin_limits(uuid) to authenticated;
grant execute on function public.admin_set_limit(
    uuid, text, bigint, bigint, bigint, text, timestamptz, text[]
) to authenticated;
grant execute on function public.admin_clear_limit(uuid, text, text) to authenticated;
grant execute on function public.admin_set_budget(text, bigint, text) to authenticated;
grant execute on function public.admin_budgets() to authenticated;

grant execute on function admin.limits(uuid) to authenticated;
grant execute on function admin.set_limit(
    uuid, text, bigint, bigint, bigint, text, timestamptz, text[]
) to authenticated;
grant execute on function admin.clear_limit(uuid, text, text) to authenticated;
grant execute on function admin.set_budget(text, bigint, text) to authenticated;
grant execute on function admin.budgets() to authenticated;

grant execute on function public.admin_people(text) to authenticated;
grant execute on function admin.people(text) to authenticated;


grant execute on function public.admin_ai_costs(date) to authenticated;
grant execute on function admin.ai_costs(date) to authenticated;
grant execute on function public.admin_ai_requests(uuid, text, text, timestamptz, integer) to authenticated;
grant execute on function admin.ai_requests(uuid, text, text, timestamptz, integer) to authenticated;
