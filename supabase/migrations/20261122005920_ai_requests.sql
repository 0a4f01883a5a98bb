-- The log of calls, which is also how one call at a time is made for the same question:
-- the row under way is the flight that others follow.
--
--   under_way --> answered    the provider answered: counted, paid, remembered
--        |  \---> failed      it did not; the hold is released
--        |   \--> declined    it would not answer this
--        +------> abandoned   whoever led died: its lease ran out, its call counts as lost
--                             until it should come back and say what it cost
--
-- hit and followed are answers that cost nothing.

set lock_timeout = '5s';

create table ai.requests (
    id uuid constraint requests_pkey primary key default gen_random_uuid(),
    user_id uuid not null constraint requests_user_id_fkey references public.profiles (id),
    scope text not null,
    feature text not null,
    provider text not null,
    model text not null,
    key bytea,
    outcome text not null default 'under_way',
    reason text,
    lease_until timestamptz,
    reservation_id uuid,
    month date not null default metering.month_of(now()),
    input_bound bigint not null,
    output_bound bigint not null,
    worst_cost_micros bigint not null,
    cache_for interval not null,
    kept_for interval not null default '10 minutes',
    is_stored boolean not null default true,
    input_tokens bigint not null default 0,
    cached_input_tokens bigint not null default 0,
    cache_write_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cost_micros bigint not null default 0,
    is_assumed boolean not null default false,
    lost_cost_micros bigint not null default 0,
    latency_ms bigint,
    prompt text,
    output text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint outcome_is_known check (
        outcome in ('under_way', 'answered', 'hit', 'followed', 'failed', 'declined', 'abandoned')
    ),
    constraint under_way_until_it_ends check (
        (outcome = 'under_way') = (ended_at is null)
        and (outcome <> 'under_way' or (key is not null and lease_until is not null))
    ),
    constraint counts_are_not_negative check (
        input_tokens >= 0 and cached_input_tokens >= 0 and cache_write_tokens >= 0 and output_tokens >= 0
        and cost_micros >= 0 and lost_cost_micros >= 0 and latency_ms >= 0
    ),
    constraint reason_is_short check (char_length(reason) <= 200)
) with (fillfactor = 80);
comment on table ai.requests is
'Every question and what became of it: a hash, tokens, money, time. Text only if the feature keeps it. No client reads it.';
comment on column ai.requests.key is 'SHA-256 of whose it is, feature, model, parameters and normalized input. Null once forgotten.';
comment on column ai.requests.lease_until is 'Until when its edge need not say that it lives.';
comment on column ai.requests.input_bound is 'No more tokens than this can have been asked: each has a byte at least.';
comment on column ai.requests.is_stored is 'False once its person asked to forget: then the answer is given and not kept.';
comment on column ai.requests.is_assumed is 'The provider did not say what it counted, or nothing that can be: the worst case stands in.';
comment on column ai.requests.lost_cost_micros is
'Of attempts whose answer never came: what they cost at worst. Money that is booked, and no call that counts.';

create unique index one_flight_of_a_key on ai.requests (key) where outcome = 'under_way';
create index requests_of_a_person on ai.requests (user_id, created_at desc);
create index requests_by_time on ai.requests (created_at desc);
create index requests_under_way on ai.requests (lease_until) where outcome = 'under_way';
create index requests_given_again on ai.requests (created_at) where outcome in ('hit', 'followed');
create index requests_with_text on ai.requests (created_at) where prompt is not null or output is not null;

create table ai.answers (
    key bytea constraint answers_pkey primary key,
    request_id uuid not null,
    user_id uuid not null constraint answers_user_id_fkey references public.profiles (id),
    scope text not null,
    output text not null,
    is_cut boolean not null,
    created_at timestamptz not null default now(),
    fresh_until timestamptz not null,
    expires_at timestamptz not null,
    constraint key_is_a_hash check (octet_length(key) = 32),
    constraint kept_while_fresh check (expires_at >= fresh_until)
);
comment on table ai.answers is
'Answers that are given again. The key contains whose they are, so that nobody finds another tenant''s, nor learns from the time it takes that there is one.';
comment on column ai.answers.user_id is 'Who asked, and may have it forgotten.';
comment on column ai.answers.fresh_until is 'Until when it answers a new question; those who waited for it, or repeat an idempotency key, get it until it expires.';

create index answers_of_a_person on ai.answers (user_id);
create index answers_of_a_scope on ai.answers (scope);
create index answers_by_end on ai.answers (expires_at);
