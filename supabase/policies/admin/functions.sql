-- Executable for everyone who is signed in; each checks the role in the database.

grant execute on function public.admin_jobs(text, text, bigint, integer) to authenticated;
grant execute on function public.admin_retry_job(bigint) to authenticated;
grant execute on function public.admin_drop_job(bigint, text) to authenticated;

grant execute on function admin.jobs(text, text, bigint, integer) to authenticated;
grant execute on function admin.retry_job(bigint) to authenticated;
grant execute on function admin.drop_job(bigint, text) to authenticated;
grant execute on function admin.is_admin() to authenticated;
