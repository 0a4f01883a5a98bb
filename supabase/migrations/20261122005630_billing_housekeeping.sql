-- Attempts that nobody finished, and events that are history.

set lock_timeout = '5s';

create function billing.tidy(payload jsonb default '{}')
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_checkout billing.checkouts;
    v_staged integer := 0;
    v_asked integer := 0;
    v_events integer;
begin
    for v_checkout in
        select c.*
        from billing.checkouts as c
        inner join billing.customers as u on c.customer_id = u.id
        where
            (c.status = 'staged' and c.created_at < now() - interval '25 hours')
            or (c.status = 'open' and c.expires_at < now() - interval '10 minutes' and c.updated_at < now() - interval '1 hour')
        -- People before organizations, each by id: the order in which everybody locks.
        order by u.user_id nulls last, u.organization_id, c.created_at
        limit 1000
    loop
        if v_checkout.status = 'staged' then
            -- Stripe was never asked, or its answer was never heard; the link was given to nobody, and has ended by now.
            perform billing.lock_customer(v_checkout.customer_id);
            update billing.checkouts as c set expired = true where c.id = v_checkout.id and c.status = 'staged';
            if found and v_checkout.order_id is not null then
                perform billing.settle_order(v_checkout.order_id);
            end if;
            v_staged := v_staged + 1;
        else
            update billing.checkouts as c set updated_at = now() where c.id = v_checkout.id;
            perform billing.refetch('checkout.session', v_checkout.stripe_id);
            v_asked := v_asked + 1;
        end if;
    end loop;

    delete from billing.stripe_events as e
    where e.id = any (array(
        select o.id from billing.stripe_events as o
        where o.received_at < now() - interval '400 days' and o.status in ('applied', 'ignored')
        limit 50000
    ));
    get diagnostics v_events = row_count;
    return jsonb_build_object('staged', v_staged, 'asked', v_asked, 'events', v_events);
end
$$;
comment on function billing.tidy(jsonb) is
'Ends attempts that never became a session, asks Stripe about sessions that should have ended, and deletes events after 400 days: Stripe repeats none for so long.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('billing.tidy', 'sql', 'billing.tidy', 5, 'Ends checkouts that nobody finished, deletes old events.');

insert into jobs.schedules (name, cron, kind, keep_runs) values
('tidy_billing', '*/10 * * * *', 'billing.tidy', '7 days');
