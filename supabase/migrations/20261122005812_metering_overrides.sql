-- What one person may do instead of what their plan says, more or less of it.

set lock_timeout = '5s';

create table metering.overrides (
    user_id uuid not null constraint overrides_user_id_fkey references public.profiles (id),
    action text not null constraint overrides_action_fkey references metering.actions (action),
    soft_limit bigint,
    hard_limit bigint,
    cost_limit_micros bigint,
    reason text not null,
    expires_at timestamptz,
    set_by uuid,
    created_at timestamptz not null default now(),
    constraint overrides_pkey primary key (user_id, action),
    constraint soft_limit_is_no_less_than_zero check (core.valid(
        soft_limit >= 0, 'soft_limit', 'at least 0'
    )),
    constraint hard_limit_is_no_less_than_zero check (core.valid(
        hard_limit >= 0, 'hard_limit', 'at least 0'
    )),
    constraint cost_limit_is_no_less_than_zero check (core.valid(
        cost_limit_micros >= 0, 'cost_limit_micros', 'at least 0'
    )),
    constraint soft_limit_within_hard_limit check (core.valid(
        soft_limit <= hard_limit, 'soft_limit', 'at most the hard limit'
    )),
    constraint reason_is_bounded check (core.valid(
        core.is_one_line(reason, 500), 'reason', 'one line of 1 to 500 characters'
    )),
    constraint expires_at_is_finite check (core.valid(
        isfinite(expires_at), 'expires_at', 'a point in time'
    ))
);
comment on table metering.overrides is
'Replaces a plan''s limits for one person and action until it expires, in both directions: all three at once, null as in plan_limits.';
comment on column metering.overrides.set_by is 'Which admin. Null: somebody with SQL. No foreign key: the audit log knows too.';

create index overrides_by_action on metering.overrides (action);

select audit.track('metering.overrides', key => '{user_id,action}');
