-- What costs money or strength is counted beside the data, and refused before it is spent.

set lock_timeout = '5s';

create schema metering;
comment on schema metering is
'What each plan allows, what was used of it, what is held for work under way, and how fast anything may be asked for. Closed to clients.';
