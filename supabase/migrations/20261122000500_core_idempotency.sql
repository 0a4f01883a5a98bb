-- A client that did not hear the answer sends the same request again and gets the
-- first result, also when both run at once.

set lock_timeout = '5s';

create table core.idempotency_keys (
    user_id uuid not null,
    operation text not null,
    key text not null,
    request_hash bytea not null,
    response jsonb,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (user_id, operation, key),
    constraint key_is_one_short_line check (core.valid(
        core.is_one_line(key, 200), 'idempotency_key', 'one line of 1 to 200 characters'
    ))
);
comment on table core.idempotency_keys is
'First results of retryable mutations, per user and operation. Written in the transaction that it protects.';

create function core.recall(user_id uuid, operation text, key text, request jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_request_hash bytea := sha256(convert_to(request::text, 'UTF8'));
    v_first core.idempotency_keys;
begin
    if key is null then
        return null;
    end if;

    -- A concurrent twin waits here until the first one commits or gives up.
    insert into core.idempotency_keys (user_id, operation, key, request_hash)
    values (recall.user_id, recall.operation, recall.key, v_request_hash)
    on conflict on constraint idempotency_keys_pkey do nothing;
    if found then
        return null;
    end if;

    select k.* into strict v_first
    from core.idempotency_keys as k
    where k.user_id = recall.user_id and k.operation = recall.operation and k.key = recall.key;

    if v_first.request_hash <> v_request_hash then
        perform core.fail(
            'conflict', 'This idempotency key was used for another request. Use a new key.',
            jsonb_build_object('idempotency_key', key)
        );
    end if;
    return v_first.response;
end
$$;
comment on function core.recall(uuid, text, text, jsonb) is
'Returns the first result of this key, or null when the caller is the first and must end with core.remember. Another payload is a conflict.';

create function core.remember(user_id uuid, operation text, key text, response jsonb)
returns void
language sql
volatile
set search_path = ''
begin atomic
    update core.idempotency_keys as k
    set response = remember.response
    where k.user_id = remember.user_id and k.operation = remember.operation and k.key = remember.key;
end;
comment on function core.remember(uuid, text, text, jsonb) is
'Keeps the result for core.recall, in the same transaction as the work itself. Does nothing without a key.';
