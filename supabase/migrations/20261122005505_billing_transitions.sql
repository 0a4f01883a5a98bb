-- How orders, payments, refunds, disputes and subscriptions may move. One table for all
-- machines, one trigger: a state that is not reached by a row of this table is not reached.

set lock_timeout = '5s';

create table billing.transitions (
    machine text not null,
    from_status text not null,
    to_status text not null,
    because text not null,
    constraint transitions_pkey primary key (machine, from_status, to_status),
    constraint something_changes check (from_status <> to_status)
);
comment on table billing.transitions is
'Every allowed move of every state machine. From the status "" an object may begin. What is not here is refused, whoever tries.';

insert into billing.transitions (machine, from_status, to_status, because) values
('order', '', 'pending', 'checkout started'),
('order', 'pending', 'paid', 'the money arrived'),
('order', 'pending', 'failed', 'the payment was declined'),
('order', 'pending', 'expired', 'nobody paid in time'),
('order', 'failed', 'pending', 'the customer tries again'),
('order', 'failed', 'paid', 'the money arrived after all'),
('order', 'expired', 'paid', 'the money arrived after all'),
('order', 'expired', 'failed', 'the decline was heard of late'),
('order', 'paid', 'partially_refunded', 'some money went back'),
('order', 'paid', 'refunded', 'all money went back'),
('order', 'partially_refunded', 'refunded', 'all money went back'),
('order', 'partially_refunded', 'paid', 'the bank sent a refund back'),
('order', 'refunded', 'partially_refunded', 'the bank sent a refund back'),
('order', 'refunded', 'paid', 'the bank sent a refund back'),

('payment', '', 'processing', 'the bank takes its time'),
('payment', '', 'failed', 'declined'),
('payment', '', 'succeeded', 'captured'),
('payment', 'processing', 'succeeded', 'the bank said yes'),
('payment', 'processing', 'failed', 'the bank said no'),
('payment', 'failed', 'processing', 'the customer tries again'),
('payment', 'failed', 'succeeded', 'the next attempt went well'),

('refund', '', 'requested', 'an admin wants it; Stripe does not know yet'),
('refund', '', 'pending', 'made at Stripe'),
('refund', '', 'requires_action', 'made at Stripe'),
('refund', '', 'succeeded', 'made at Stripe'),
('refund', '', 'failed', 'made at Stripe'),
('refund', '', 'canceled', 'made at Stripe'),
('refund', 'requested', 'pending', 'Stripe took it'),
('refund', 'requested', 'requires_action', 'Stripe took it'),
('refund', 'requested', 'succeeded', 'Stripe took it'),
('refund', 'requested', 'failed', 'Stripe refused it'),
('refund', 'requested', 'canceled', 'Stripe took it and it was canceled'),
('refund', 'pending', 'requires_action', 'the customer has to say where to'),
('refund', 'pending', 'succeeded', 'on its way to the customer'),
('refund', 'pending', 'failed', 'the bank refused it'),
('refund', 'pending', 'canceled', 'canceled at Stripe'),
('refund', 'requires_action', 'succeeded', 'on its way to the customer'),
('refund', 'requires_action', 'failed', 'the bank refused it'),
('refund', 'requires_action', 'canceled', 'canceled at Stripe'),
('refund', 'succeeded', 'failed', 'the bank sent it back'),

('subscription', '', 'incomplete', 'the first payment is open'),
('subscription', 'incomplete', 'canceled', 'the first payment never came'),
('subscription', 'trialing', 'canceled', 'ended'),
('subscription', 'active', 'canceled', 'ended'),
('subscription', 'past_due', 'canceled', 'ended'),
('subscription', 'unpaid', 'canceled', 'ended'),
('subscription', 'paused', 'canceled', 'ended');

-- Events come late, twice and out of order: Stripe may be seen to jump from any live state to any other.
-- What counts is that nothing goes back to incomplete, and that nothing leaves canceled.
insert into billing.transitions (machine, from_status, to_status, because)
select 'subscription', f.from_status, t.to_status, 'Stripe says so'
from unnest(array['', 'incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused']) as f (from_status)
cross join unnest(array['trialing', 'active', 'past_due', 'unpaid', 'paused']) as t (to_status)
where f.from_status <> t.to_status
union all
values ('subscription', '', 'canceled', 'seen when it was over');

-- A bank asks, then it wants to see proof, then it decides. A decision stays.
insert into billing.transitions (machine, from_status, to_status, because)
select 'dispute', '', s.status, 'the bank says so'
from
    unnest(array[
        'warning_needs_response', 'warning_under_review', 'warning_closed', 'needs_response', 'under_review',
        'won', 'lost', 'prevented'
    ]) as s (status)
union all
select 'dispute', f.from_status, t.to_status, 'the bank goes on'
from
    unnest(array['warning_needs_response', 'warning_under_review', 'needs_response', 'under_review'])
    with ordinality as f (from_status, from_place)
cross join
    unnest(array[
        'warning_needs_response', 'warning_under_review', 'needs_response', 'under_review',
        'warning_closed', 'won', 'lost', 'prevented'
    ]) with ordinality as t (to_status, to_place)
where t.to_place > f.from_place;

create function billing.require_transition()
returns trigger
language plpgsql
stable
set search_path = ''
as $$
declare
    v_from text := case tg_op when 'INSERT' then '' else old.status end;
begin
    perform from billing.transitions as t
    where t.machine = tg_argv[0] and t.from_status = v_from and t.to_status = new.status;
    if not found then
        perform core.fail(
            'invalid_state', format('The %s cannot become %s.', tg_argv[0], new.status),
            jsonb_build_object('machine', tg_argv[0], 'from', v_from, 'to', new.status)
        );
    end if;
    return new;
end
$$;
comment on function billing.require_transition() is
'Refuses every move that billing.transitions does not list: of triggers that fire for inserts and for updates that change the status.';

create function billing.step(machine text, from_status text, to_status text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
    if from_status = to_status then
        return from_status;
    end if;
    -- No row, no step: the status stays, which is how late and repeated news lose.
    perform from billing.transitions as t
    where t.machine = step.machine and t.from_status = step.from_status and t.to_status = step.to_status;
    return case when found then to_status else from_status end;
end
$$;
comment on function billing.step(text, text, text) is
'Where an object stands after hearing of a status: there, if it may go there, else where it was.';
