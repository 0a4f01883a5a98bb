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

create table jobs.emails (
    id uuid constraint emails_pkey primary key default gen_random_uuid(),
    template text not null constraint email_has_a_template references jobs.email_templates (template),
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
    constraint to_is_an_address check (core.valid(core.is_email("to"), 'to', 'an e-mail address')),
    constraint params_are_a_small_object check (core.valid(
        core.is_small_object(params, 65536), 'params', 'a JSON object of at most 64 KB'
    )),
    constraint dedupe_key_is_one_line check (core.valid(
        core.is_one_line(dedupe_key, 200), 'dedupe_key', 'one line of 1 to 200 characters'
    )),
    constraint status_is_known check (status in ('queued', 'sent', 'bounced', 'withdrawn', 'expired')),
    constraint queued_until_it_ends check ((status = 'queued') = (ended_at is null)),
    constraint queued_has_an_address check ((status = 'queued') = ("to" is not null)),
    constraint ended_is_erased check (status = 'queued' or params = '{}'),
    constraint sent_has_a_message_id check (status <> 'sent' or message_id is not null),
    constraint undelivered_has_a_reason check (status in ('queued', 'sent') or reason is not null)
);
comment on table jobs.emails is
'Mail to be sent, staged by inserting a row, and what became of it. Kept without its content for 400 days, so that a late replay of its cause finds its dedupe_key.';
comment on column jobs.emails.dedupe_key is 'Names the cause. Whatever is replayed, one cause makes one mail.';
comment on column jobs.emails.user_id is 'Whose mail it is, if it is a person''s that can unsubscribe or be forgotten. No foreign key: jobs know no people.';
comment on column jobs.emails.message_id is
'Committed before the first attempt and the same in all of them: should a worker die between the server''s yes and ours, the second copy can be told by it.';
comment on column jobs.emails.unsubscribe_token is 'In the link to unsubscribe, of mail that has a category. Proves no more than that one has the mail.';

create index emails_waiting on jobs.emails (user_id) where status = 'queued';
create index emails_by_template on jobs.emails (template, created_at);
create index emails_by_age on jobs.emails (created_at);

create function jobs.require_params()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
declare
    v_wrong record;
begin
    select e.template, p.name, t.params ->> p.name as type into v_wrong
    from staged as e
    inner join jobs.email_templates as t on t.template = e.template
    cross join lateral (
        select d.name from jsonb_each_text(t.params) as d (name, type)
        where case
            when coalesce(jsonb_typeof(e.params -> d.name), 'null') = 'null' then d.type like '%?'
            else case rtrim(d.type, '?')
                when 'text' then jsonb_typeof(e.params -> d.name) = 'string'
                when 'integer' then e.params ->> d.name ~ '^-?\d+$' and jsonb_typeof(e.params -> d.name) = 'number'
                when 'number' then jsonb_typeof(e.params -> d.name) = 'number'
                when 'boolean' then jsonb_typeof(e.params -> d.name) = 'boolean'
                when 'timestamp'
                    then
                        e.params ->> d.name ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}'
                        and pg_input_is_valid(e.params ->> d.name, 'timestamptz')
                when 'uuid' then pg_input_is_valid(e.params ->> d.name, 'uuid')
                when 'list' then jsonb_typeof(e.params -> d.name) = 'array'
            end
        end is not true
        union all
        select jsonb_object_keys(e.params - array(select jsonb_object_keys(t.params)))
    ) as p
    limit 1;
    if found then
        perform core.valid(
            false, 'params.' || v_wrong.name,
            coalesce(v_wrong.type, 'left out') || ', as jobs.email_templates says of ' || v_wrong.template
        );
    end if;
    return null;
end
$$;
comment on function jobs.require_params() is
'Refuses mails whose parameters are not those that their templates declare: once a statement, which asks half as long as once a row.';

create trigger _100_require_params
after insert on jobs.emails
referencing new table as staged
for each statement
execute function jobs.require_params();

create function jobs.queue_emails()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- A point of priority is a minute: a hundred thousand summaries do not hold up one invitation.
    perform jobs.enqueue_all(
        'jobs.send_email', array_agg(jsonb_build_object('email_id', e.id)), null, now(),
        case when t.category is null then 0 else -10 end
    )
    from staged as e
    inner join jobs.email_templates as t on t.template = e.template
    group by t.category is null;
    return null;
end
$$;
comment on function jobs.queue_emails() is 'A job for each staged mail, in one statement for all of them.';

create trigger _200_queue_emails
after insert on jobs.emails
referencing new table as staged
for each statement
execute function jobs.queue_emails();

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
