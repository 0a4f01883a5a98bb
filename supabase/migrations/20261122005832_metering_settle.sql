-- After the work: what was held is counted, or given back.

set lock_timeout = '5s';

create function metering.lock_reservation(reservation_id uuid)
returns metering.reservations
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_held metering.reservations;
begin
    perform
    from metering.reservations as r
    inner join public.usage as u on r.user_id = u.user_id and r.action = u.action and r.month = u.month
    where r.id = lock_reservation.reservation_id
    for no key update of u;
    if not found then
        perform core.valid(reservation_id is not null, 'reservation_id', 'given');
        perform core.fail('not_found', 'There is no such reservation.');
    end if;

    -- Read again, now that nobody can change it.
    select r.* into strict v_held from metering.reservations as r where r.id = lock_reservation.reservation_id;
    if v_held.status = 'held' and v_held.expires_at <= clock_timestamp() then
        perform metering.end_expired_holds(v_held.user_id, v_held.action, v_held.month);
        v_held.status := 'expired';
    end if;
    return v_held;
end
$$;
comment on function metering.lock_reservation(uuid) is
'A reservation as it is and, because its row of usage is locked, as it stays until this transaction ends.';

create function metering.settle(reservation_id uuid, amount bigint, cost_micros bigint)
returns public.usage_status
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_held metering.reservations := metering.lock_reservation(reservation_id);
    v_limits metering.limits;
    v_used public.usage;
begin
    perform core.valid(amount is not null, 'amount', 'given');
    perform core.valid(amount between 0 and v_held.amount, 'amount', 'from 0 to what was reserved');
    perform core.valid(cost_micros is not null, 'cost_micros', 'given');
    perform core.valid(cost_micros between 0 and 1000000000000, 'cost_micros', 'from 0 to 1000000000000');

    if v_held.status = 'released' then
        perform core.fail('invalid_state', 'The reservation was released.', '{"status": "released"}');
    elsif v_held.status = 'settled'
    and (v_held.settled_amount, v_held.settled_cost_micros) <> (settle.amount, settle.cost_micros) then
        perform core.fail(
            'conflict', 'The reservation was settled with other numbers.',
            jsonb_build_object('amount', v_held.settled_amount, 'cost_micros', v_held.settled_cost_micros)
        );
    end if;

    select l.* into v_limits
    from metering.limits as l
    where l.user_id = v_held.user_id and l.action = v_held.action;
    if not found then
        -- The person is gone meanwhile, what they used is not.
        v_limits.action := v_held.action;
        select a.name into v_limits.action_name from metering.actions as a where a.action = v_held.action;
    end if;

    if v_held.status = 'settled' then
        select u.* into strict v_used
        from public.usage as u
        where u.user_id = v_held.user_id and u.action = v_held.action and u.month = v_held.month;
        return metering.status_of(v_limits, v_used, v_held.month);
    end if;

    if v_held.status = 'held' then
        update public.usage as u
        set
            count = u.count + settle.amount,
            held = u.held - v_held.amount,
            cost_micros = u.cost_micros + settle.cost_micros,
            held_cost_micros = u.held_cost_micros - v_held.cost_micros
        where u.user_id = v_held.user_id and u.action = v_held.action and u.month = v_held.month
        returning u.* into strict v_used;
    else
        update public.usage as u
        set count = u.count + settle.amount, cost_micros = u.cost_micros + settle.cost_micros
        where
            u.user_id = v_held.user_id and u.action = v_held.action and u.month = v_held.month
            and (settle.amount = 0 or v_limits.hard_limit is null or u.count + u.held + settle.amount <= v_limits.hard_limit)
        returning u.* into v_used;
        if not found then
            perform metering.refuse(v_limits, v_held.month, amount, 0);
        end if;
    end if;

    update metering.reservations as r
    set
        status = 'settled', settled_amount = settle.amount, settled_cost_micros = settle.cost_micros,
        ended_at = clock_timestamp()
    where r.id = v_held.id;
    if v_used.count > v_limits.soft_limit and v_used.warned_at is null and v_used.month = metering.month_of(now()) then
        perform metering.warn(v_limits, v_used);
    end if;
    perform metering.spend(
        v_held.action, v_held.month, cost_micros, case v_held.status when 'held' then -v_held.cost_micros else 0 end
    );
    return metering.status_of(v_limits, v_used, v_held.month);
end
$$;
comment on function metering.settle(uuid, bigint, bigint) is
'The work was done: counts what it took, and what it cost, even if that is more than was held. Repeating it is harmless.
After the hold expired it takes room again, or raises quota_exceeded; then metering.record_cost keeps what was spent.';

create function metering.release(reservation_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_held metering.reservations := metering.lock_reservation(reservation_id);
begin
    if v_held.status = 'released' then
        return;
    elsif v_held.status = 'settled' then
        perform core.fail('invalid_state', 'The reservation was settled.', '{"status": "settled"}');
    end if;

    update metering.reservations as r
    set status = 'released', ended_at = clock_timestamp()
    where r.id = v_held.id;
    if v_held.status = 'held' then
        update public.usage as u
        set held = u.held - v_held.amount, held_cost_micros = u.held_cost_micros - v_held.cost_micros
        where u.user_id = v_held.user_id and u.action = v_held.action and u.month = v_held.month;
        perform metering.spend(v_held.action, v_held.month, 0, -v_held.cost_micros);
    end if;
end
$$;
comment on function metering.release(uuid) is
'The work was not done: gives back what was held. Repeating it is harmless. Of somebody else''s hold: in a transaction of its own, because this ends with the row that everybody waits for.';

create function metering.record_cost(user_id uuid, action text, month date, cost_micros bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.valid(user_id is not null, 'user_id', 'given');
    perform core.valid(
        action is not null and exists (select from metering.actions as a where a.action = record_cost.action),
        'action', 'an action that is metered'
    );
    perform core.valid(month is not null, 'month', 'given');
    perform core.valid(cost_micros is not null, 'cost_micros', 'given');
    perform core.valid(abs(cost_micros) <= 1000000000000, 'cost_micros', 'at most 1000000000000');

    update public.usage as u
    set cost_micros = u.cost_micros + record_cost.cost_micros
    where u.user_id = record_cost.user_id and u.action = record_cost.action and u.month = record_cost.month;
    if not found then
        insert into public.usage as u (user_id, action, month, cost_micros)
        values (user_id, action, month, cost_micros)
        on conflict on constraint usage_pkey do update
        set cost_micros = u.cost_micros + excluded.cost_micros;
    end if;
    perform metering.spend(action, month, cost_micros, 0);
end
$$;
comment on function metering.record_cost(uuid, text, date, bigint) is
'Money that was spent although no hold covers it any more. Always kept, also above every limit. Negative where too much was assumed.';
