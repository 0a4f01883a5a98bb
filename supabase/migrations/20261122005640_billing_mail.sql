-- What people and owners are told about money. Each mail hangs on a change of a row, so
-- that there is one for each cause, whatever Stripe repeats, and none for what was taken back.

set lock_timeout = '5s';

insert into jobs.email_templates (template, params, description) values
(
    'order_confirmation',
    '{"order_id": "uuid", "items": "list", "total": "integer", "currency": "text",
      "paid_at": "timestamp"}',
    'To the customer: the order was paid.'
),
(
    'order_notice',
    '{"order_id": "uuid", "items": "list", "total": "integer", "currency": "text", "customer": "text?"}',
    'To the owners of the product: something was sold.'
),
(
    'order_payment_failed', '{"order_id": "uuid", "total": "integer", "currency": "text", "reason": "text?"}',
    'To the customer: the payment failed, and how to try again.'
),
(
    'refund_issued',
    '{"order_id": "uuid?", "amount": "integer", "refunded": "integer", "paid": "integer",
      "currency": "text"}',
    'To the customer: money is on its way back.'
),
(
    'subscription_started', '{"plan": "text", "organization": "text?", "renews_at": "timestamp?"}',
    'To who pays: the subscription has begun.'
),
(
    'subscription_payment_failed',
    '{"plan": "text", "organization": "text?", "amount": "integer", "currency": "text",
      "attempt": "integer"}',
    'To who pays: a renewal could not be collected, and what to do.'
),
(
    'subscription_canceled', '{"plan": "text", "organization": "text?", "ended_at": "timestamp"}',
    'To who paid: the subscription has ended.'
),
(
    'dispute_notice',
    '{"payment_id": "uuid", "amount": "integer", "currency": "text", "reason": "text?",
      "due_by": "timestamp?"}',
    'To the owners of the product: a bank questions a payment, and wants an answer in time.'
),
(
    'reconciliation_report',
    '{"reconciliation_id": "integer", "objects": "integer", "healed": "integer", "dead_events": "integer",
      "discrepancies": "list"}',
    'To the owners of the product: what Stripe, database and ledger do not agree about.'
);

create function billing.mail_owners(template text, params jsonb, dedupe_key text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into jobs.emails (template, "to", params, dedupe_key, user_id)
    select
        mail_owners.template, lower(btrim(p.email)), mail_owners.params, mail_owners.dedupe_key || ':' || p.id, p.id
    from public.profiles as p
    where p.role = 'super_admin' and p.deleted_at is null and core.is_email(lower(btrim(p.email)))
    on conflict on constraint one_email_per_cause do nothing;
end
$$;
comment on function billing.mail_owners(text, jsonb, text) is
'Tells whoever runs the product: its super admins. Whose address cannot be written to is left out: no money waits for a mail.';

create function billing.mail_customer(customer_id uuid, template text, params jsonb, dedupe_key text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into jobs.emails (template, "to", params, dedupe_key, user_id)
    select
        mail_customer.template, lower(btrim(p.email)), mail_customer.params,
        mail_customer.dedupe_key || ':' || p.id, p.id
    from billing.customers as c
    -- From the customer to people, each by a key: with `or` all people would be read.
    cross join lateral (
        select c.user_id as id
        where c.user_id is not null
        union all
        select m.user_id
        from public.memberships as m
        where m.organization_id = c.organization_id and m.role = 'owner'
    ) as w
    inner join public.profiles as p on w.id = p.id
    where c.id = mail_customer.customer_id and p.deleted_at is null and core.is_email(lower(btrim(p.email)))
    on conflict on constraint one_email_per_cause do nothing;
end
$$;
comment on function billing.mail_customer(uuid, text, jsonb, text) is
'Tells who pays, at the address that they have now: the person, or the owners of the organization.';

create function billing.mail_order()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_told jsonb := jsonb_build_object('order_id', new.id, 'total', new.total, 'currency', new.currency);
begin
    if new.status = 'failed' then
        perform jobs.email(
            'order_payment_failed', new.customer_email,
            v_told || jsonb_build_object('reason', (
                select p.failure_message from public.payments as p
                where p.order_id = new.id and p.status = 'failed'
                order by p.updated_at desc limit 1
            )),
            format('order:%s:failed:%s', new.id, (
                select max(c.attempt) from billing.checkouts as c where c.order_id = new.id
            )),
            new.user_id
        )
        where new.customer_email is not null;
        return null;
    end if;

    -- Names are cut, for a hundred items have to fit into a mail.
    v_told := v_told || jsonb_build_object('items', (
        select jsonb_agg(
            jsonb_build_object('name', left(i.name, 100), 'quantity', i.quantity, 'amount', i.amount) order by i.line
        )
        from public.order_items as i
        where i.order_id = new.id
    ));
    -- One statement: what is asked of mails is asked once a statement.
    insert into jobs.emails (template, "to", params, dedupe_key, user_id)
    select
        'order_confirmation', lower(btrim(new.customer_email)), v_told || jsonb_build_object('paid_at', new.paid_at),
        format('order:%s:paid', new.id), new.user_id
    where new.customer_email is not null
    union all
    select
        'order_notice', lower(btrim(p.email)), v_told || jsonb_build_object('customer', new.customer_email),
        format('order:%s:notice:%s', new.id, p.id), p.id
    from public.profiles as p
    where p.role = 'super_admin' and p.deleted_at is null and core.is_email(lower(btrim(p.email)))
    on conflict on constraint one_email_per_cause do nothing;
    return null;
end
$$;
comment on function billing.mail_order() is
'Confirms a paid order and tells the owners; of a failed one tells the customer how to try again, once per attempt.';

create trigger _500_mail_failed
after update of status on public.orders
for each row
when (old.status <> 'failed' and new.status = 'failed')
execute function billing.mail_order();

create trigger _500_mail_paid
after update of status on public.orders
for each row
when (old.paid_at is null and new.paid_at is not null)
execute function billing.mail_order();

create function billing.mail_refund()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform billing.mail_customer(
        new.customer_id, 'refund_issued',
        jsonb_build_object(
            'order_id', new.order_id, 'amount', new.amount_refunded - old.amount_refunded,
            'refunded', new.amount_refunded, 'paid', new.amount, 'currency', new.currency
        ),
        format('payment:%s:refund:%s', new.id, new.refund_postings)
    );
    return null;
end
$$;
comment on function billing.mail_refund() is 'Tells who paid of everything that goes back: one mail for each transfer of the ledger.';

create trigger _500_mail_refund
after update of amount_refunded on public.payments
for each row
when (new.amount_refunded > old.amount_refunded)
execute function billing.mail_refund();
