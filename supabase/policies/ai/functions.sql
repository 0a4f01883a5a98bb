-- The edge asks on behalf of a person, with whose eyes a project is read …
grant execute on function edge.ai_input_schema(text) to authenticated;
grant execute on function edge.start_completion(text, jsonb, text, interval) to authenticated;
grant execute on function edge.follow_completion(uuid) to authenticated;
grant execute on function ai.visible_project(jsonb) to authenticated;
grant execute on function ai.visible_tasks(uuid) to authenticated;
grant execute on function ai.start_completion(text, jsonb, jsonb, text, interval) to authenticated;

-- … and reports what the provider answered.
grant execute on function edge.renew_completion(uuid, interval) to edge_service;
grant execute on function edge.finish_completion(uuid, text, boolean, jsonb, integer, bigint) to edge_service;
grant execute on function edge.fail_completion(uuid, text, jsonb, integer, boolean, bigint) to edge_service;

grant execute on function public.ai_features() to authenticated;
grant execute on function ai.offered() to authenticated;

grant execute on function public.forget_my_answers() to authenticated;
grant execute on function ai.forget_my_answers() to authenticated;
