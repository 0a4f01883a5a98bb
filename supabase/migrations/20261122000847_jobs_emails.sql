-- The outbox: a mail is a row in the transaction that gives cause for it. The worker
-- sends it later; a cause that is taken back takes its mail along.
--
--   queued --> sent       the server took it
--      |-----> bounced    the server refuses it for good: never tried again
--      |-----> withdrawn  the recipient unsubscribed, or its cause is gone
--      +-----> expired    not sent for a month: too late to be true
--
-- However it ends, what it said and to whom is erased: it may hold secrets, and people
-- must be forgotten.

set lock_timeout = '5s';

create function jobs.is_email(
    "to" text, params jsonb, dedupe_key text, status text, ended_at timestamptz, message_id text, reason text
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    if (
        status = 'queued' and ended_at is null and core.is_email("to")
        and jsonb_typeof(params) = 'object' and octet_length(params::text) <= 65536
        and dedupe_key !~ '[^!-~]' and octet_length(dedupe_key) between 1 and 200
    ) is true then
        return true;
    end if;
    perform core.valid(core.is_email("to"), 'to', 'an e-mail address');
    perform core.valid(core.is_small_object(params, 65536), 'params', 'a JSON object of at most 64 KB');
    perform core.valid(core.is_one_line(dedupe_key, 200), 'dedupe_key', 'one line of 1 to 200 characters');
    return case status
        when 'queued' then ended_at is null and "to" is not null
        when 'sent' then ended_at is not null and "to" is null and params = '{}' and message_id is not null
        else
            status in ('bounced', 'withdrawn', 'expired')
            and ended_at is not null and "to" is null and params = '{}' and reason is not null
    end;
end
$$;
comment on function jobs.is_email(text, jsonb, text, text, timestamptz, text, text) is
'The body of a CHECK: a queued mail has an address, an ended one is erased and says why; typed like core.valid for what a caller can mend.';

create table jobs.emails (
    id uuid constraint emails_pkey primary key default gen_random_uuid(),
    template text not null,
    "to" text,
    params jsonb not null default '{}',
    dedupe_key text not null,
    user_id uuid,
    status text not null default 'queued',
    reason text,
    message_id text,
    unsubscribe_token uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint one_email_per_cause unique (dedupe_key),
    constraint unsubscribe_token_names_one_email unique (unsubscribe_token),
    -- One for everything: Postgres parses and plans each CHECK again for each statement.
    constraint queued_with_an_address_then_erased check (
        jobs.is_email("to", params, dedupe_key, status, ended_at, message_id, reason)
    )
);
comment on table jobs.emails is
'Mail to be sent, staged by inserting a row, and what became of it. Kept without its content for 400 days, so that a late replay of its cause finds its dedupe_key.';
comment on column jobs.emails.dedupe_key is 'Names the cause. Whatever is replayed, one cause makes one mail.';
comment on column jobs.emails.user_id is 'Whose mail it is, if it is a person''s that can unsubscribe or be forgotten. No foreign key: jobs know no people.';
comment on column jobs.emails.message_id is
'Committed before the first attempt and the same in all of them: should a worker die between the server''s yes and ours, the second copy can be told by it.';
comment on column jobs.emails.unsubscribe_token is 'In the link to unsubscribe, of mail that has a category. Proves no more than that one has the mail.';

create index emails_waiting on jobs.emails (user_id) where status = 'queued';
create index emails_by_age on jobs.emails (created_at);

create function jobs.require_params(template text, declared jsonb, params jsonb)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
    v_name text;
    v_type text;
    v_value jsonb;
    v_known text[] := '{}';
begin
    if declared is null then
        perform core.valid(false, 'template', 'declared in jobs.email_templates');
    end if;
    for v_name, v_type in select d.key, d.value from jsonb_each_text(declared) as d loop
        v_known := v_known || v_name;
        v_value := params -> v_name;
        if (case jsonb_typeof(v_value)
            when 'string' then case rtrim(v_type, '?')
                when 'text' then true
                when 'uuid' then pg_input_is_valid(v_value #>> '{}', 'uuid')
                when 'timestamp'
                    then
                        v_value #>> '{}' ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}'
                        and pg_input_is_valid(v_value #>> '{}', 'timestamptz')
            end
            when 'number' then v_type like 'number%' or (v_type like 'integer%' and v_value::text ~ '^-?\d+$')
            when 'boolean' then v_type like 'boolean%'
            when 'array' then v_type like 'list%'
            when 'object' then false
            else v_type like '%?'
        end) is not true then
            perform core.valid(false, 'params.' || v_name, v_type || ', as jobs.email_templates says of ' || template);
        end if;
    end loop;
    if params - v_known <> '{}' then
        perform core.valid(
            false, 'params.' || (select min(k.name) from jsonb_object_keys(params - v_known) as k (name)),
            'left out, as jobs.email_templates says of ' || template
        );
    end if;
    return true;
end
$$;
comment on function jobs.require_params(text, jsonb, jsonb) is
'Refuses a mail whose parameters are not those that its template declares.';

create function jobs.stage_emails()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- A point of priority is a minute: a hundred thousand summaries do not hold up one invitation.
    insert into jobs.queue (state, turn, run_at, kind, payload, priority)
    select
        'ready', case when t.category is null then now() else now() + interval '10 minutes' end, now(),
        'jobs.send_email', jsonb_build_object('email_id', e.id), case when t.category is null then 0 else -10 end
    from staged as e
    -- One look by key for each mail: a join would hash all templates for the usual one or two.
    left join lateral (
        select t.category, t.params, t.usual from jobs.email_templates as t where t.template = e.template offset 0
    ) as t on true
    where case when e.params @@ t.usual then true else jobs.require_params(e.template, t.params, e.params) end;
    return null;
end
$$;
comment on function jobs.stage_emails() is
'A job for each staged mail that its template can say, in one statement for all of them.';

create trigger _100_stage
after insert on jobs.emails
referencing new table as staged
for each statement
execute function jobs.stage_emails();

create function jobs.keep_templates_in_use()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    if exists (select from jobs.emails as e where e.template = old.template) then
        perform core.fail(
            'invalid_state', 'There is mail of this template.', jsonb_build_object('template', old.template)
        );
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function jobs.keep_templates_in_use() is
'What a foreign key would say, without the lock on the template''s row that it takes for every mail.';

create trigger _100_keep_templates_in_use
before delete or update of template on jobs.email_templates
for each row
execute function jobs.keep_templates_in_use();

create function jobs.email(
    template text,
    "to" text,
    params jsonb,
    dedupe_key text,
    user_id uuid default null
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_id uuid;
begin
    perform from jobs.email_templates as t where t.template = email.template;
    if not found or email."to" is null or email.dedupe_key is null then
        perform core.valid(found, 'template', 'declared in jobs.email_templates');
        perform core.valid(email."to" is not null, 'to', 'given');
        perform core.valid(email.dedupe_key is not null, 'dedupe_key', 'given');
    end if;

    insert into jobs.emails (template, "to", params, dedupe_key, user_id)
    values (template, lower(btrim("to")), coalesce(params, '{}'), dedupe_key, user_id)
    on conflict on constraint one_email_per_cause do nothing
    returning id into v_id;
    if not found then
        select e.id into v_id from jobs.emails as e where e.dedupe_key = email.dedupe_key;
    end if;
    return v_id;
end
$$;
comment on function jobs.email(text, text, jsonb, text, uuid) is
'Stages one mail and returns its id; with a known dedupe_key it stages nothing and returns the first one''s.';

create function jobs.end_emails(ids uuid[], status text, reason text default null)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    update jobs.emails as e
    set
        status = end_emails.status,
        reason = case when end_emails.status <> 'sent' then jobs.error_text(end_emails.reason) end,
        "to" = null, params = '{}', ended_at = now()
    where e.id = any (ids) and e.status = 'queued';
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function jobs.end_emails(uuid[], text, text) is
'Ends mails that are still queued and erases them. Their jobs find nothing to do.';
