-- What a model said to somebody is forgotten when they ask, and when they go.

set lock_timeout = '5s';

create function ai.forget_hashes(user_id uuid, before timestamptz)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_most constant integer := 20000;
    v_count integer;
    v_last timestamptz;
begin
    with page as (
        select r.id, r.created_at, r.key
        from ai.requests as r
        where
            r.user_id = forget_hashes.user_id and r.outcome <> 'under_way'
            and r.created_at <= forget_hashes.before
            -- Of the moment that the page before ended with: what it left.
            and (r.created_at < forget_hashes.before or r.key is not null)
        order by r.created_at desc
        limit v_most
    ),

    forgotten as (
        update ai.requests as r
        set key = null
        from page as p
        where r.id = p.id and p.key is not null
        returning 1
    )

    select min(p.created_at), count(*), (select count(*) from forgotten)
    into v_last, v_count
    from page as p;
    if v_count = v_most then
        perform jobs.enqueue('ai.forget', jsonb_build_object('user_id', user_id, 'before', v_last));
    end if;
    return v_count;
end
$$;
comment on function ai.forget_hashes(uuid, timestamptz) is
'Hashes of a person''s questions, the newest first; a job does what is left. Every answer that is given again leaves a row, so that there may be more than one transaction has time for.';

create function ai.go_on_forgetting(payload jsonb)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select jsonb_build_object('requests', ai.forget_hashes(
        (payload ->> 'user_id')::uuid, (payload ->> 'before')::timestamptz
    ));
$$;
comment on function ai.go_on_forgetting(jsonb) is 'The next page of hashes to forget.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('ai.forget', 'sql', 'ai.go_on_forgetting', 20, 'Forgets hashes of a person who asked very often.');

create function ai.forget(user_id uuid)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count bigint;
begin
    -- First what is under way: this waits for whatever is just being finished, and deletes it below.
    update ai.requests as r
    set is_stored = false, prompt = null
    where r.user_id = forget.user_id and r.outcome = 'under_way';
    update ai.requests as r
    set prompt = null, output = null
    where r.user_id = forget.user_id and r.outcome <> 'under_way' and (r.prompt is not null or r.output is not null);
    delete from ai.answers as a where a.user_id = forget.user_id;
    get diagnostics v_count = row_count;
    delete from core.idempotency_keys as k where k.user_id = forget.user_id and k.operation = 'ai';
    perform ai.forget_hashes(user_id, clock_timestamp());
    return v_count;
end
$$;
comment on function ai.forget(uuid) is
'Deletes a person''s answers, texts and hashes; numbers and money stay. What is under way will be given and not kept.';

create function ai.forget_my_answers()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_me public.profiles := identity.lock_profile();
begin
    return ai.forget(v_me.id);
end
$$;
comment on function ai.forget_my_answers() is 'See public.forget_my_answers. Definer because clients see neither answers nor requests.';

create function public.forget_my_answers()
returns bigint
language sql
volatile
set search_path = ''
return ai.forget_my_answers();
comment on function public.forget_my_answers() is
'Deletes the answers of models that the caller asked for, also where their organization got them again, and says how many.';

create function ai.forget_deleted()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if tg_table_name = 'profiles' then
        perform ai.forget(new.id);
    else
        update ai.requests as r set is_stored = false, prompt = null
        where r.scope = 'organization:' || new.id and r.outcome = 'under_way';
        update ai.requests as r set prompt = null, output = null
        where r.scope = 'organization:' || new.id and (r.prompt is not null or r.output is not null);
        delete from ai.answers as a where a.scope = 'organization:' || new.id;
    end if;
    return null;
end
$$;
comment on function ai.forget_deleted() is
'Answers do not outlive the person or organization that they were for. Definer because the auth service may not touch them.';

create trigger _320_forget_answers
after update of deleted_at on public.profiles
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function ai.forget_deleted();

create trigger _320_forget_answers
after update of deleted_at on public.organizations
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function ai.forget_deleted();
