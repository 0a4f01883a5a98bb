-- Once a day everything that Stripe has is compared with what we have, page by page: what
-- an event would have told is healed, the rest is filed, and the owners get a report.
-- Each page is committed with the place of the next, so that a crash costs a page.

set lock_timeout = '5s';

insert into jobs.kinds (kind, handler, max_attempts, description) values
('billing.reconcile', 'python', 20, 'Compares everything at Stripe with the database, page by page.');

insert into jobs.schedules (name, cron, kind) values
('reconcile', '30 4 * * *', 'billing.reconcile');

create table billing.reconciliations (
    id bigint generated always as identity constraint reconciliations_pkey primary key,
    resource text not null default 'event',
    after text,
    since bigint,
    newest_event bigint,
    job_id bigint,
    objects integer not null default 0,
    healed integer not null default 0,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint resource_is_known check (resource in (
        'event', 'customer', 'checkout.session', 'subscription', 'invoice', 'charge', 'refund', 'dispute',
        'ledger'
    ))
);
comment on table billing.reconciliations is 'Each comparison of everything, how far it is and what it found.';
comment on column billing.reconciliations.since is 'Events before this second were compared by an earlier one.';

comment on column billing.reconciliations.job_id is
'The job that fetches its pages: the one that asked last. Pages of another would be counted for what this one is at.';

create unique index one_reconciliation_at_a_time on billing.reconciliations ((true)) where ended_at is null;

create table billing.reconciled_objects (
    reconciliation_id bigint not null
    constraint reconciled_objects_reconciliation_id_fkey
    references billing.reconciliations (id) on delete cascade,
    stripe_id text not null,
    constraint reconciled_objects_pkey primary key (reconciliation_id, stripe_id)
);
comment on table billing.reconciled_objects is 'What Stripe showed of ours, for as long as the comparison goes on: what is missing here is missing there.';

create function billing.next_resource(resource text)
returns text
language sql
immutable
set search_path = ''
return case resource
    when 'event' then 'customer'
    when 'customer' then 'checkout.session'
    when 'checkout.session' then 'subscription'
    when 'subscription' then 'invoice'
    when 'invoice' then 'charge'
    when 'charge' then 'refund'
    when 'refund' then 'dispute'
    when 'dispute' then 'ledger'
end;
comment on function billing.next_resource(text) is 'What is compared after this. The ledger comes last, and without Stripe.';

create function billing.step_of(reconciliation billing.reconciliations)
returns jsonb
language sql
immutable
set search_path = ''
return jsonb_build_object(
    'reconciliation_id',
    reconciliation.id,
    'resource',
    reconciliation.resource,
    'after',
    reconciliation.after,
    'since', case reconciliation.resource when 'event' then reconciliation.since end
);
comment on function billing.step_of(billing.reconciliations) is 'Which page to fetch next.';

create function edge.start_reconciliation(id bigint, lease bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_reconciliation billing.reconciliations;
begin
    if v_job.id is null then
        return null;
    end if;
    insert into billing.reconciliations as r (since)
    values ((select max(o.newest_event) - 86400 from billing.reconciliations as o where o.ended_at is not null))
    on conflict do nothing;
    update billing.reconciliations as r
    set job_id = v_job.id
    where r.ended_at is null
    returning r.* into strict v_reconciliation;
    if v_reconciliation.resource = 'ledger' then
        -- Its end is under way, or died: then this is who notices.
        perform jobs.enqueue(
            'billing.end_reconciliation', jsonb_build_object('reconciliation_id', v_reconciliation.id),
            unique_key => v_reconciliation.id::text
        );
        return null;
    end if;
    return billing.step_of(v_reconciliation);
end
$$;
comment on function edge.start_reconciliation(bigint, bigint) is
'Begins a comparison, or goes on with the one that is under way. Definer because the worker may not write it.';

create function billing.reconcile_object(object jsonb, reconciliation_id bigint)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_customer_id uuid := billing.customer_for(object);
    v_difference text;
begin
    if object ->> 'object' = 'event' then
        return edge.receive_stripe_event(object) in ('applied', 'waiting');
    elsif object ->> 'object' = 'customer' then
        update billing.customers as c
        set stripe_id = object ->> 'id'
        where c.id = billing.our_id(object, 'customer_id') and c.stripe_id is null;
        return found;
    elsif v_customer_id is null then
        return false;
    end if;

    if object ->> 'object' = 'charge' and billing.intent_of(object) is null then
        perform billing.file_difference(object); -- made by hand, without an intent: nothing of ours
        return false;
    end if;
    insert into billing.reconciled_objects (reconciliation_id, stripe_id)
    values (
        reconciliation_id,
        case object ->> 'object' when 'charge' then billing.intent_of(object) else object ->> 'id' end
    )
    on conflict do nothing;

    v_difference := billing.difference(object);
    if v_difference is null then
        perform billing.close_difference(object);
        if
            object ->> 'object' = 'checkout.session'
            and exists (
                select from billing.checkouts as c where c.stripe_id = object ->> 'id' and c.status = 'processing'
            )
        then
            -- The session does not say whether its debit is still under way.
            perform billing.refetch('payment_intent', billing.intent_of(object));
        end if;
        return false;
    end if;
    if object ->> 'object' <> 'subscription' then
        begin
            perform billing.merge(object, null, null, null);
        exception
            when sqlstate 'JB001' then null; -- then it is fetched with what it refers to
        end;
        if billing.difference(object) is null then
            perform billing.close_difference(object);
            perform billing.apply_waiting(object);
            return true;
        end if;
    end if;

    -- Its state on this page may be old by now: fetched anew, together with what belongs to it.
    if object ->> 'object' in ('charge', 'refund') then
        perform billing.refetch('payment_intent', billing.intent_of(object));
    else
        perform billing.refetch(object ->> 'object', object ->> 'id');
    end if;
    return true;
end
$$;
comment on function billing.reconcile_object(jsonb, bigint) is
'Compares one object and heals what an event would have told. True if there was something to heal; what then still differs is filed.';
