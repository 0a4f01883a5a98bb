-- Every day each Pro user gets one mail about the last 24 hours of what they can see.
-- The whole day is staged in one transaction, by set; a user whose mail cannot be staged
-- is found by halving the set, and stands in nobody's way.

set lock_timeout = '5s';

insert into jobs.email_templates (template, category, params, description) values
(
    'daily_summary', 'daily_summary',
    '{"name": "text?", "since": "timestamp", "until": "timestamp", "scopes": "list", "remaining": "integer"}',
    'The last 24 hours of a person''s projects and tasks, also if nothing happened.'
);

create function identity.pro_users()
returns setof uuid
language sql
stable
set search_path = ''
as $$
    select p.id from public.profiles as p where p.subscription_tier = 'pro' and p.deleted_at is null
    union
    select m.user_id
    from public.organizations as o
    join public.memberships as m on m.organization_id = o.id
    where o.subscription_tier = 'pro' and o.deleted_at is null;
$$;
comment on function identity.pro_users() is
'Who has Pro: by their own subscription, or as members of an organization that has it. Members are never deleted people.';

create function identity.summary_key(slot timestamptz, user_id uuid)
returns text
language sql
immutable
set search_path = ''
return format('daily_summary:%s:%s', (slot at time zone 'UTC')::date, user_id);
comment on function identity.summary_key(timestamptz, uuid) is
'One summary a person and day (UTC), whichever slot or attempt stages it.';

create function identity.insert_summaries(run_id uuid, slot timestamptz, users uuid[])
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    insert into jobs.emails (template, "to", params, dedupe_key, user_id)
    select
        'daily_summary', lower(r.email),
        jsonb_build_object(
            'name', r.name, 'since', slot - interval '24 hours', 'until', slot,
            'scopes', coalesce(jsonb_agg(r.summary order by r.place) filter (where r.fits), '[]'),
            'remaining', count(r.summary) filter (where not r.fits)
        ),
        identity.summary_key(slot, r.id), r.id
    from (
        select
            p.id, p.email, p.name, a.summary, row_number() over w as place,
            a.summary is not null and row_number() over w <= 20 and sum(a.size) over w <= 49152 as fits
        from unnest(users) as u (id)
        join public.profiles as p on p.id = u.id
        cross join lateral (
            select p.id as scope_id
            union all
            select m.organization_id from public.memberships as m where m.user_id = p.id
        ) as v
        left join identity.activity_summaries as a
            on a.run_id = insert_summaries.run_id and a.scope_id = v.scope_id
        -- Private work first, then where most happened; where nothing did comes last.
        window w as (
            partition by p.id order by a.is_private desc nulls last, a.changes desc nulls last, a.scope_id
        )
    ) as r
    group by r.id, r.email, r.name
    order by r.id -- two runs of one day do not deadlock
    on conflict on constraint one_email_per_cause do nothing;
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function identity.insert_summaries(uuid, timestamptz, uuid[]) is
'Stages the mails of these users from the activity of the run, in one statement: private work and each organization, at most 20 of them and 48 KB, and how many more there are. Returns how many mails are new.';

create function identity.stage_summaries(run_id uuid, slot timestamptz, users uuid[])
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_half integer := cardinality(users) / 2;
    v_state text;
    v_message text;
    v_detail text;
    v_constraint text;
begin
    begin
        return identity.insert_summaries(run_id, slot, users);
    exception when others then
        get stacked diagnostics
            v_state = returned_sqlstate, v_message = message_text, v_detail = pg_exception_detail,
            v_constraint = constraint_name;
        -- The database's fault, not a user's: the whole job is tried again.
        if left(v_state, 2) in ('25', '40', '53', '55', '57', '58', 'XX') then
            raise;
        end if;
    end;

    if v_half > 0 then
        return identity.stage_summaries(run_id, slot, users[:v_half])
            + identity.stage_summaries(run_id, slot, users[v_half + 1:]);
    end if;

    if (select count(*) from public.job_run_failures as f where f.run_id = stage_summaries.run_id) >= 1000 then
        raise object_not_in_prerequisite_state
        using message = format('More than 1000 users failed, the last with %s: it is not the users.', v_state);
    end if;
    -- Only our own errors are known to quote no data.
    insert into public.job_run_failures (run_id, subject, error)
    values (
        run_id, 'user ' || users[1],
        concat_ws(
            ' ', v_state,
            case when v_state like 'PT%' then v_message || ' ' || v_detail else nullif(v_constraint, '') end
        )
    );
    return 0;
end
$$;
comment on function identity.stage_summaries(uuid, timestamptz, uuid[]) is
'Stages these mails; where one makes the set fail, each half on its own, until the user who fails is alone and is recorded. Returns how many mails are new.';

create function identity.daily_summary(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_slot timestamptz := (payload ->> 'slot')::timestamptz;
    v_run_id uuid;
    v_users uuid[];
    v_wanting uuid[];
    v_deliverable uuid[];
    v_staged integer;
    v_late integer;
    v_failed integer;
begin
    select r.id into v_run_id
    from public.job_runs as r where r.schedule = payload ->> 'schedule' and r.slot = v_slot;
    if not found then
        perform core.fail('not_found', 'The daily summary is a run of a schedule: see jobs.fire_schedule.');
    end if;
    -- A later attempt judges anew.
    delete from public.job_run_failures as f where f.run_id = v_run_id;

    v_users := array(
        select p.id from public.profiles as p
        join identity.pro_users() as u (id) on u.id = p.id
        where p.email is not null
        order by p.id
    );
    v_wanting := array(
        select w.id from unnest(v_users) as w (id)
        where not exists (
            select from identity.unsubscriptions as u where u.user_id = w.id and u.category = 'daily_summary'
        )
    );
    -- Known beforehand, so that many of them do not look like a fault of ours.
    insert into public.job_run_failures (run_id, subject, error)
    select v_run_id, 'user ' || p.id, 'no address that mail can be sent to'
    from public.profiles as p
    where p.id = any (v_wanting) and not core.is_email(lower(p.email));
    v_deliverable := array(
        select p.id from public.profiles as p
        where p.id = any (v_wanting) and core.is_email(lower(p.email))
        order by p.id
    );

    -- 24 hours, not a day, which some time zones make longer.
    perform identity.summarize_activity(v_run_id, v_slot - interval '24 hours', v_slot, v_users);
    v_staged := identity.stage_summaries(v_run_id, v_slot, v_deliverable);
    delete from identity.activity_summaries as a where a.run_id = v_run_id;

    v_late := identity.withdraw_late_summaries(v_slot, v_wanting);
    select count(*) into v_failed from public.job_run_failures as f where f.run_id = v_run_id;
    return jsonb_strip_nulls(jsonb_build_object(
        'users', cardinality(v_users), 'staged', v_staged - v_late,
        'unsubscribed', cardinality(v_users) - cardinality(v_wanting) + v_late, 'failed', v_failed,
        'mailed_before', nullif(cardinality(v_wanting) - v_staged - v_failed, 0),
        'error', case when v_failed > 0 then format('%s users failed: see job_run_failures.', v_failed) end
    ));
end
$$;
comment on function identity.daily_summary(jsonb) is
'Stages the day''s mails: from the 24 hours before the slot, one for each Pro user who wants it. Repeating it mails nobody twice.';

create function identity.withdraw_late_summaries(slot timestamptz, users uuid[])
returns integer
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- From here to the commit, preferences and deletions wait (identity.withdraw_emails) and then see our mails.
    perform from jobs.email_templates as t where t.template = 'daily_summary' for no key update;

    return jobs.end_emails(
        array(
            select e.id
            from unnest(users) as w (id)
            join jobs.emails as e
                on e.user_id = w.id and e.status = 'queued'
                and e.dedupe_key = identity.summary_key(slot, w.id)
            where
                exists (
                    select from identity.unsubscriptions as u
                    where u.user_id = w.id and u.category = 'daily_summary'
                )
                or exists (select from public.profiles as p where p.id = w.id and p.deleted_at is not null)
        ),
        'withdrawn', 'unsubscribed or deleted while it was staged'
    );
end
$$;
comment on function identity.withdraw_late_summaries(timestamptz, uuid[]) is
'Takes back the mails of people who unsubscribed or were deleted while they were staged. Called last, because it lets those wait.';

insert into jobs.kinds (kind, handler, sql_function, description) values
('identity.daily_summary', 'sql', 'identity.daily_summary', 'Stages the daily summaries of all Pro users.');

insert into jobs.schedules (name, cron, kind) values
('daily_summary', '0 3 * * *', 'identity.daily_summary');
