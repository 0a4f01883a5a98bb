-- What admins see of Stripe's events, and decide about those that could not be applied.

set lock_timeout = '5s';

create type public.stripe_event as (
    id text,
    type text,
    status text,
    attempts integer,
    error text,
    created timestamptz,
    received_at timestamptz,
    ended_at timestamptz,
    payload jsonb
);
comment on type public.stripe_event is 'An event of Stripe, as admins see it, with what became of it.';

create function admin.stripe_events(only_status text, before timestamptz, page_size integer)
returns setof public.stripe_event
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    perform admin.require_admin();
    return query
    select
        e.id, e.type, e.status, e.attempts, e.error, to_timestamp(e.created), e.received_at, e.ended_at, e.payload
    from billing.stripe_events as e
    where
        (only_status is null or e.status = only_status)
        and e.received_at < coalesce(before, 'infinity')
    order by e.received_at desc, e.id
    limit least(greatest(coalesce(page_size, 50), 1), 200);
end
$$;
comment on function admin.stripe_events(text, timestamptz, integer) is
'A page of the inbox, newest first. Definer because nobody else may read it; checks that the caller is an admin.';

create function public.admin_stripe_events(
    only_status text default null,
    before timestamptz default null,
    page_size integer default 50
)
returns setof public.stripe_event
language sql
stable
set search_path = ''
begin atomic
    select s.id, s.type, s.status, s.attempts, s.error, s.created, s.received_at, s.ended_at, s.payload
    from admin.stripe_events(
        admin_stripe_events.only_status, admin_stripe_events.before, admin_stripe_events.page_size
    ) as s;
end;
comment on function public.admin_stripe_events(text, timestamptz, integer) is
'Admins: events of Stripe with what became of them, newest first; the next page is `before` the last received_at.';

create function admin.undone_stripe_event(id text)
returns billing.stripe_events
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_event billing.stripe_events;
begin
    perform identity.lock_profile();
    perform admin.require_admin();
    select e.* into v_event from billing.stripe_events as e where e.id = undone_stripe_event.id for no key update;
    if not found then
        perform core.fail('not_found', 'There is no such event.');
    elsif v_event.status = 'applied' then
        perform core.fail('invalid_state', 'The event was applied.', '{"status": "applied"}');
    end if;
    return v_event;
end
$$;
comment on function admin.undone_stripe_event(text) is
'The event that an admin decides about, locked. Definer because nobody else may read the inbox.';

create function admin.retry_stripe_event(id text)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_event billing.stripe_events := admin.undone_stripe_event(id);
begin
    update billing.stripe_events as e
    set status = 'received', attempts = 0, ended_at = null, ended_by = null, waits_for = null
    where e.id = v_event.id;
    perform jobs.enqueue('billing.apply_stripe_event', jsonb_build_object('event_id', v_event.id));
    perform audit.record('retry_stripe_event', jsonb_build_object('event', v_event.id));
    return v_event.id;
end
$$;
comment on function admin.retry_stripe_event(text) is
'Lets an event be tried again on behalf of an admin. Definer because nobody else may write the inbox.';

create function public.admin_retry_stripe_event(id text)
returns text
language sql
volatile
set search_path = ''
return admin.retry_stripe_event(id);
comment on function public.admin_retry_stripe_event(text) is
'Admins: try an event again that failed, waits or was ignored. A worker does it at once. Returns its id.';

create function admin.ignore_stripe_event(id text, reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_event billing.stripe_events := admin.undone_stripe_event(id);
begin
    perform core.valid(reason is not null, 'reason', 'given');
    perform core.valid(core.is_one_line(reason, 500), 'reason', 'one line of 1 to 500 characters');
    update billing.stripe_events as e
    set status = 'ignored', error = reason, waits_for = null, ended_at = now(), ended_by = (select auth.uid())
    where e.id = v_event.id;
    perform audit.record('ignore_stripe_event', jsonb_build_object('event', v_event.id, 'reason', reason));
end
$$;
comment on function admin.ignore_stripe_event(text, text) is
'Dismisses an event on behalf of an admin. Definer because nobody else may write the inbox.';

create function public.admin_ignore_stripe_event(id text, reason text)
returns void
language sql
volatile
set search_path = ''
return admin.ignore_stripe_event(id, reason);
comment on function public.admin_ignore_stripe_event(text, text) is
'Admins: dismiss an event that could not be applied. The reason is kept.';
