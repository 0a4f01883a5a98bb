-- The worker's half of the edge's contract. Clients reach the queue through functions
-- of other domains that stage jobs for them.

grant execute on function edge.claim_jobs(text, integer) to edge_service;
grant execute on function edge.heartbeat(bigint[], bigint[]) to edge_service;
grant execute on function edge.release_jobs(bigint[], bigint[]) to edge_service;
grant execute on function edge.complete_jobs(bigint[], bigint[], jsonb[]) to edge_service;
grant execute on function edge.fail_job(bigint, bigint, text) to edge_service;
grant execute on function edge.retry_later(bigint, bigint, text, double precision) to edge_service;
grant execute on function edge.run_job(bigint, bigint) to edge_service;
grant execute on function edge.reap() to edge_service;
grant execute on function edge.schedules() to edge_service;
grant execute on function edge.plan_schedule(text, timestamptz) to edge_service;
grant execute on function edge.fire_schedule(text, timestamptz) to edge_service;
grant execute on function edge.queue_health() to edge_service;

grant execute on function edge.start_email(bigint, bigint, text) to edge_service;
grant execute on function edge.finish_email(bigint, bigint) to edge_service;
grant execute on function edge.bounce_email(bigint, bigint, text, boolean) to edge_service;
