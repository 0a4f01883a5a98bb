-- What is counted, and how much of it each plan allows.

set lock_timeout = '5s';

create table metering.actions (
    action text constraint actions_pkey primary key,
    name text not null,
    description text not null,
    least_cost_micros bigint not null default 0,
    created_at timestamptz not null default now(),
    constraint action_is_snake_case check (action ~ '^[a-z][a-z0-9_]*$' and char_length(action) <= 50),
    constraint name_is_one_line check (core.is_one_line(name, 200)),
    constraint least_cost_is_not_negative check (least_cost_micros >= 0)
);
comment on table metering.actions is
'What is metered. An action is declared once, so that a misspelt one is refused instead of counted apart.';
comment on column metering.actions.name is 'What mails and screens call it.';
comment on column metering.actions.least_cost_micros is
'What is held at least for one, in millionths of a US dollar: whether one more is allowed is told by it. Nothing is decided by it.';

create table public.plan_limits (
    plan text not null constraint plan_limits_plan_fkey references public.plans (plan),
    action text not null constraint plan_limits_action_fkey references metering.actions (action),
    soft_limit bigint,
    hard_limit bigint,
    cost_limit_micros bigint,
    created_at timestamptz not null default now(),
    constraint plan_limits_pkey primary key (plan, action),
    constraint limits_are_not_negative check (
        soft_limit >= 0 and hard_limit >= 0 and cost_limit_micros >= 0
    ),
    constraint soft_limit_within_hard_limit check (soft_limit <= hard_limit)
);
comment on table public.plan_limits is
'What a plan allows each month. Without a row the action is no part of the plan: nothing is allowed.';
comment on column public.plan_limits.soft_limit is 'Above it people are told, once a month. Null: never.';
comment on column public.plan_limits.hard_limit is 'The most that a month has. Null: unlimited.';
comment on column public.plan_limits.cost_limit_micros is
'What a person''s use may cost us in a month, in millionths of a US dollar. Null: whatever it costs.';

create index plan_limits_by_action on public.plan_limits (action);

insert into metering.actions (action, name, description) values
('export', 'Exports', 'Taking a project with all its tasks out of the product.'),
('ai', 'AI', 'Answers of a language model.');

insert into public.plan_limits (plan, action, soft_limit, hard_limit, cost_limit_micros) values
('free', 'export', null, 3, null),
('free', 'ai', null, 5, 500000),
('pro', 'export', null, null, null),
('pro', 'ai', 100, 500, 20000000);

-- What the domain above works out is no decision of anybody.
select audit.track('metering.actions', key => '{action}', ignore => '{least_cost_micros}');
select audit.track('public.plan_limits', key => '{plan,action}');
