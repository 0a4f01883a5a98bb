-- One catalogue of errors for SQL, Data API and edge. A code is raised as the
-- message of SQLSTATE PTxxx, which the Data API turns into HTTP xxx.

set lock_timeout = '5s';

create table core.errors (
    code text constraint errors_pkey primary key,
    http_status integer not null,
    meaning text not null,
    constraint code_is_snake_case check (code ~ '^[a-z]+(_[a-z]+)*$'),
    constraint http_status_is_an_error check (http_status between 400 and 599)
);
comment on table core.errors is
'Every error code that a client can meet. ERRORS.md and the edge are checked against it, so that all layers say the same.';

insert into core.errors (code, http_status, meaning) values
('invalid_signature', 400, 'The webhook''s signature is missing, wrong or too old.'),
('not_authenticated', 401, 'The request carries no valid session. Sign in, or refresh the token.'),
('quota_exceeded', 402, 'The plan''s limit for this action is used up until it resets.'),
('payment_required', 402, 'The action needs a paid plan or a settled payment.'),
('forbidden', 403, 'The caller is known but may not do this.'),
('not_found', 404, 'The object does not exist, or the caller may not know that it does.'),
('method_not_allowed', 405, 'The address exists, but not for this HTTP method.'),
('conflict', 409, 'It collides with what exists, or its idempotency key was used for another request.'),
('invalid_state', 409, 'The object is in a state that does not allow this.'),
('payload_too_large', 413, 'The request body is larger than the endpoint accepts.'),
('validation_failed', 422, 'A value breaks a rule; detail names the field and the rule.'),
('rate_limited', 429, 'Too many requests; Retry-After says how many seconds to wait.'),
('internal', 500, 'A fault on our side. The request id finds it in the logs.'),
('provider_unavailable', 503, 'A service that this depends on does not answer. Try again later.');

create function core.fail(
    code text,
    hint text default null,
    detail jsonb default '{}',
    headers jsonb default null
)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_status integer;
begin
    select e.http_status into v_status from core.errors as e where e.code = fail.code;
    if not found then
        raise log 'core.fail: no such code: %', code;
        raise exception using errcode = 'PT500', message = 'internal';
    end if;

    -- Only this form of raise lets the Data API send headers (Retry-After).
    if headers is not null then
        raise sqlstate 'PGRST' using
            message = jsonb_build_object('code', 'PT' || v_status, 'message', code, 'details', detail::text, 'hint', hint),
            detail = jsonb_build_object('status', v_status, 'headers', headers);
    end if;

    raise exception using
        errcode = 'PT' || v_status,
        message = code,
        detail = detail::text,
        hint = coalesce(hint, '');
end
$$;
comment on function core.fail(text, text, jsonb, jsonb) is
'Raises a code of the catalogue with its HTTP status, a JSON detail for programs and a hint for people.
Definer because every role must be able to fail in a typed way, while none may read the catalogue''s schema.';
