-- What a model said to somebody is forgotten when they ask, and when they go.

set lock_timeout = '5s';

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
    set key = null, prompt = null, output = null
    where r.user_id = forget.user_id and r.outcome <> 'under_way' and (r.key is not null or r.prompt is not null or r.output is not null);
    delete from ai.answers as a where a.user_id = forget.user_id;
    get diagnostics v_count = row_count;
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
