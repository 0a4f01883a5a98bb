-- Nobody calls into the log: it is written by triggers and by functions of other domains.

grant execute on function edge.seal_audit_log(integer) to edge_service;
