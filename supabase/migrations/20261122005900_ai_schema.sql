-- Calls of language models, paid for once and within limits.

set lock_timeout = '5s';

create schema ai;
comment on schema ai is
'AI features, what models cost, answers that may be given again, and the log of calls. Closed to clients: they ask the edge.';
