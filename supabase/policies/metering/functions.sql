-- The edge asks on behalf of a person.
grant execute on function edge.take_rate(text) to authenticated;
grant execute on function edge.my_plan() to authenticated;

-- Asked by policies, for the caller alone.
grant execute on function metering.allows(text) to authenticated;
grant execute on function metering.my_plan() to authenticated;

grant execute on function public.consume_usage(text, bigint, text) to authenticated;
grant execute on function public.my_usage() to authenticated;
grant execute on function public.explain_access(text) to authenticated;
grant execute on function public.export_project(uuid, text) to authenticated;

grant execute on function metering.consume_usage(text, bigint, text) to authenticated;
grant execute on function metering.my_usage() to authenticated;
grant execute on function metering.explain_access(text) to authenticated;
grant execute on function metering.project_document(uuid) to authenticated;
grant execute on function metering.export(uuid, jsonb, text) to authenticated;

-- Trusted code: a client that could release a hold would work for free.
grant execute on function public.reserve_usage(uuid, text, bigint, text, integer, bigint) to service_role;
grant execute on function public.settle_usage(uuid, bigint, bigint) to service_role;
grant execute on function public.release_usage(uuid) to service_role;

grant execute on function metering.reserve_usage(uuid, text, bigint, text, integer, bigint) to service_role;
grant execute on function metering.settle_usage(uuid, bigint, bigint) to service_role;
grant execute on function metering.release_usage(uuid) to service_role;
