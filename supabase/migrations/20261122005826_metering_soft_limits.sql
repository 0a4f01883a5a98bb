-- Above the soft limit everything goes on, and the person is told, once a month.

set lock_timeout = '5s';

insert into jobs.email_templates (template, params, description) values
(
    'usage_soft_limit',
    '{"action": "text", "plan": "text", "used": "integer", "soft_limit": "integer", "hard_limit": "integer?",
      "resets_at": "timestamp"}',
    'To a person: more was used this month than the plan has in mind, and what is left.'
);

create function metering.warn(limits metering.limits, used public.usage)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_cause text := format('usage_soft_limit:%s:%s:%s', used.user_id, used.action, to_char(used.month, 'YYYY-MM'));
    v_email text;
begin
    -- The caller has just counted, so it has the row locked: nobody warns beside it.
    update public.usage as u
    set warned_at = now()
    where
        u.user_id = used.user_id and u.action = used.action and u.month = used.month
        and u.warned_at is null;
    if not found then
        return;
    end if;

    perform identity.notify(
        used.user_id, 'usage_soft_limit',
        jsonb_build_object(
            'action', used.action, 'plan', limits.plan, 'used', used.count, 'soft_limit', limits.soft_limit,
            'hard_limit', limits.hard_limit, 'resets_at', metering.resets_at(used.month)
        ),
        v_cause
    );

    select lower(btrim(p.email)) into v_email
    from public.profiles as p
    where p.id = used.user_id and p.deleted_at is null;
    if core.is_email(v_email) then
        perform jobs.email(
            'usage_soft_limit', v_email,
            (
                select jsonb_build_object(
                    'action', a.name, 'plan', l.name, 'used', used.count, 'soft_limit', limits.soft_limit,
                    'hard_limit', limits.hard_limit, 'resets_at', metering.resets_at(used.month)
                )
                from metering.actions as a
                cross join public.plans as l
                where a.action = used.action and l.plan = limits.plan
            ),
            v_cause, used.user_id
        );
    end if;
end
$$;
comment on function metering.warn(metering.limits, public.usage) is
'One notification and one mail a person, action and month, in the transaction that went over the soft limit.';
