-- The edge asks on behalf of a person.
grant execute on function edge.take_rate(text) to authenticated;
