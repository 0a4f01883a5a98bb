-- What the worker does with a mail, and what it may know of it: the one that its job is
-- about, while it holds the job.

set lock_timeout = '5s';

create table jobs.bounced_addresses (
    address text constraint bounced_addresses_pkey primary key,
    reason text not null,
    bounced_at timestamptz not null default now(),
    constraint address_is_an_address check (core.is_email(address))
);
comment on table jobs.bounced_addresses is
'Addresses that a mail server has refused for good. Only transactional mail still tries them, and the first that arrives takes them off: writing on to dead addresses is what ruins a sender''s name.';

create function jobs.held_email(job_id bigint, lease bigint)
returns jobs.emails
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(job_id, lease);
    v_email jobs.emails;
begin
    if v_job.id is null then
        perform jobs.refuse_lost_lease(job_id);
    end if;
    select e.* into v_email from jobs.emails as e where e.id = (v_job.payload ->> 'email_id')::uuid for update;
    return v_email;
end
$$;
comment on function jobs.held_email(bigint, bigint) is 'Locks the mail of a job that the worker holds, or refuses: lease_lost.';

create function edge.start_email(job_id bigint, lease bigint, message_id_domain text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_email jobs.emails := jobs.held_email(job_id, lease);
    v_category text;
    v_optional jsonb;
begin
    if v_email.status is distinct from 'queued' then
        return null;
    end if;
    select t.category, coalesce((select jsonb_object_agg(k.name, null) from jsonb_object_keys(t.params) as k (name)), '{}')
    into v_category, v_optional
    from jobs.email_templates as t where t.template = v_email.template;
    if v_category is not null and exists (select from jobs.bounced_addresses as b where b.address = v_email."to") then
        perform jobs.end_emails(array[v_email.id], 'withdrawn', 'This address has bounced before.');
        return null;
    end if;

    update jobs.emails as e
    set message_id = coalesce(e.message_id, format('<%s@%s>', e.id, message_id_domain))
    where e.id = v_email.id
    returning e.message_id into v_email.message_id;
    return jsonb_build_object(
        'template', v_email.template, 'to', v_email."to", 'params', v_optional || v_email.params,
        'message_id', v_email.message_id,
        'unsubscribe_token', case when v_category is not null then v_email.unsubscribe_token end
    );
end
$$;
comment on function edge.start_email(bigint, bigint, text) is
'What to send, with its Message-ID committed before it is sent; null if there is nothing to send any more. Definer because the worker may not read the outbox.';

create function edge.finish_email(job_id bigint, lease bigint)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_email jobs.emails := jobs.held_email(job_id, lease);
begin
    delete from jobs.bounced_addresses as b where b.address = v_email."to";
    perform jobs.end_emails(array[v_email.id], 'sent');
    perform jobs.finish(job_id, lease);
end
$$;
comment on function edge.finish_email(bigint, bigint) is
'The mail server has taken the mail: ends mail and job in one transaction. Definer because the worker may not write the outbox.';

create function edge.bounce_email(job_id bigint, lease bigint, reason text, address_is_dead boolean)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_email jobs.emails := jobs.held_email(job_id, lease);
begin
    if address_is_dead and v_email.status = 'queued' then
        insert into jobs.bounced_addresses as b (address, reason)
        values (v_email."to", jobs.error_text(bounce_email.reason))
        on conflict on constraint bounced_addresses_pkey
        do update set reason = excluded.reason, bounced_at = excluded.bounced_at;
    end if;
    perform jobs.end_emails(array[v_email.id], 'bounced', reason);
    perform jobs.finish(job_id, lease);
end
$$;
comment on function edge.bounce_email(bigint, bigint, text, boolean) is
'The mail server refuses the mail for good, and perhaps its address: ends mail and job in one transaction, so that it is not tried again. Definer because the worker may not write the outbox.';

create function jobs.withdraw_dropped_email()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform jobs.end_emails(array[(new.payload ->> 'email_id')::uuid], 'withdrawn', 'Its job was dropped.');
    return null;
end
$$;
comment on function jobs.withdraw_dropped_email() is 'A mail whose job was dropped for good is not on its way any more.';

create trigger _100_withdraw_dropped_email
after insert or update of outcome on jobs.finished
for each row
when (new.kind = 'jobs.send_email' and new.outcome = 'dropped')
execute function jobs.withdraw_dropped_email();

insert into jobs.kinds (kind, handler, max_attempts, backoff_seconds, max_backoff_seconds, description) values
('jobs.send_email', 'python', 100, 5, 3600, 'Sends one mail of the outbox; tries for about three days.');
