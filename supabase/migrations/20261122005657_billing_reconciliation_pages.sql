-- The pages of a reconciliation, and its end: what Stripe does not have, what the ledger
-- adds up to otherwise, the report.

set lock_timeout = '5s';

create function billing.file_missing_at_stripe(reconciliation billing.reconciliations)
returns void
language sql
volatile
set search_path = ''
begin atomic
    select
        billing.file_discrepancy(
            'missing_at_stripe', o.stripe_id, format('Stripe does not show this %s any more.', o.kind),
            'Find out who deleted it, and whether this is the right account of Stripe.'
        )
    from (
        select c.stripe_id, 'checkout session' as kind, c.created_at from billing.checkouts as c
        where c.status in ('complete', 'processing')
        union all
        select n.stripe_id, 'subscription', s.created_at
        from billing.stripe_subscriptions as n
        inner join public.subscriptions as s on n.subscription_id = s.id
        union all
        select n.payment_intent, 'payment', p.created_at
        from billing.stripe_payments as n inner join public.payments as p on n.payment_id = p.id
        where p.status = 'succeeded' and n.payment_intent like 'pi\_%'
        union all
        select n.stripe_id, 'refund', r.created_at
        from billing.stripe_refunds as n inner join public.refunds as r on n.refund_id = r.id
        union all
        select n.stripe_id, 'dispute', d.created_at
        from billing.stripe_disputes as n inner join public.disputes as d on n.dispute_id = d.id
    ) as o
    where
        o.stripe_id is not null and o.created_at < reconciliation.started_at
        and not exists (
            select from billing.reconciled_objects as s
            where s.reconciliation_id = reconciliation.id and s.stripe_id = o.stripe_id
        );
end;
comment on function billing.file_missing_at_stripe(billing.reconciliations) is 'Files what we believe in and Stripe did not show on any page.';

create view billing.customer_balances with (security_invoker = true) as
select
    c.customer_id, c.currency, sum(c.paid)::bigint as paid,
    coalesce((
        select -b.balance from ledger.balances as b
        where
            b.owner_kind = 'customer' and b.owner_id = c.customer_id::text
            and b.name = 'payments' and b.currency = c.currency
    ), 0) as posted
from (
    select p.customer_id, p.currency, p.amount - p.amount_refunded as paid
    from public.payments as p
    where p.status = 'succeeded'
    union all
    select p.customer_id, d.currency, -d.amount
    from public.disputes as d
    inner join public.payments as p on d.payment_id = p.id
    where billing.who_holds(d.status) = 'customer'
) as c
group by c.customer_id, c.currency;
comment on view billing.customer_balances is
'What each customer paid, net of what went back: by their payments, refunds and disputes, and by the ledger. The two are the same.';

create function billing.file_ledger_differences()
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.file_discrepancy(
        'ledger_differs', format('customer:%s:%s', b.customer_id, b.currency),
        'The ledger does not add up to the payments of this customer.',
        'Compare ledger.statement with the customer''s payments, refunds and disputes.',
        jsonb_build_object('paid', b.paid, 'posted', b.posted)
    )
    from billing.customer_balances as b
    where b.paid <> b.posted;
end
$$;
comment on function billing.file_ledger_differences() is 'Files where the ledger says something else than the rows that posted to it.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
(
    'billing.end_reconciliation', 'sql', 'billing.end_reconciliation', 5,
    'Compares the ledger, looks for what Stripe does not have, reports.'
);

create function billing.end_reconciliation(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_ended billing.reconciliations;
    v_open jsonb;
begin
    select r.* into v_ended
    from billing.reconciliations as r
    where r.id = (payload ->> 'reconciliation_id')::bigint and r.resource = 'ledger' and r.ended_at is null
    for update;
    if not found then
        return '{}';
    end if;
    perform billing.file_missing_at_stripe(v_ended);
    perform billing.file_ledger_differences();
    update billing.reconciliations as r set ended_at = now() where r.id = v_ended.id;
    delete from billing.reconciled_objects as o where o.reconciliation_id = v_ended.id;

    select coalesce(jsonb_agg(to_jsonb(d)), '[]') into v_open
    from (
        select d.id, d.kind, d.subject, d.reason, d.suggested_action
        from billing.discrepancies as d
        where d.resolved_at is null
        order by d.id desc
        limit 50
    ) as d;
    perform billing.mail_owners(
        'reconciliation_report',
        jsonb_build_object(
            'reconciliation_id', v_ended.id, 'objects', v_ended.objects, 'healed', v_ended.healed,
            'dead_events', (select count(*) from billing.stripe_events as e where e.status = 'dead'),
            'discrepancies', v_open
        ),
        'reconciliation:' || v_ended.id
    );
    return jsonb_build_object(
        'objects', v_ended.objects, 'healed', v_ended.healed, 'open', jsonb_array_length(v_open)
    );
end
$$;
comment on function billing.end_reconciliation(jsonb) is
'The end of a comparison: what only shows when all was seen, and the report. A job of its own, because it may take longer than a page.';

create function edge.reconcile_page(id bigint, lease bigint, objects jsonb, has_more boolean)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_job jobs.queue := jobs.held(id, lease);
    v_now billing.reconciliations;
    v_object jsonb;
    v_healed integer := 0;
    v_next text;
begin
    if v_job.id is null then
        return null;
    end if;
    select r.* into v_now from billing.reconciliations as r where r.job_id = v_job.id and r.ended_at is null for update;
    if not found then
        perform jobs.finish(id, lease, '{"outcome": "another job goes on with it"}');
        return null;
    end if;
    -- In the order in which everybody locks: people, then organizations, each by id.
    for v_object in
        select o.value
        from jsonb_array_elements(objects) with ordinality as o (value, place)
        left join billing.customers as c on c.id = billing.customer_for(
            case o.value ->> 'object' when 'event' then o.value #> '{data,object}' else o.value end
        )
        order by c.user_id nulls last, c.organization_id, o.place desc
    loop
        if billing.reconcile_object(v_object, v_now.id) then
            v_healed := v_healed + 1;
        end if;
    end loop;

    v_next := case when has_more then v_now.resource else billing.next_resource(v_now.resource) end;
    update billing.reconciliations as r
    set
        objects = r.objects + jsonb_array_length(reconcile_page.objects), healed = r.healed + v_healed,
        resource = v_next,
        after = case when has_more then reconcile_page.objects -> -1 ->> 'id' end,
        newest_event = greatest(r.newest_event, (
            select max((o.value ->> 'created')::bigint)
            from jsonb_array_elements(reconcile_page.objects) as o (value)
            where o.value ->> 'object' = 'event'
        ))
    where r.id = v_now.id
    returning r.* into v_now;
    if v_next <> 'ledger' then
        return billing.step_of(v_now);
    end if;
    perform jobs.enqueue(
        'billing.end_reconciliation', jsonb_build_object('reconciliation_id', v_now.id), unique_key => v_now.id::text
    );
    perform jobs.finish(id, lease, jsonb_build_object('reconciliation', v_now.id));
    return null;
end
$$;
comment on function edge.reconcile_page(bigint, bigint, jsonb, boolean) is
'Compares a page and commits the place of the next, which it returns; after the last ends the comparison and its job. Definer because the worker may write none of it.';
