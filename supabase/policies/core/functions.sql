-- CHECK constraints and triggers run as whoever writes the row.

grant execute on function core.fail(text, text, jsonb, jsonb) to authenticated, service_role;
grant execute on function core.valid(boolean, text, text) to authenticated, service_role;
grant execute on function core.without_hidden(text) to authenticated, service_role;
grant execute on function core.is_one_line(text, integer) to authenticated, service_role;
grant execute on function core.is_small_object(jsonb, integer) to authenticated, service_role;
grant execute on function core.is_api_role() to authenticated, service_role;

grant execute on function edge.ready() to edge_service;
