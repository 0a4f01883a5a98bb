-- What people want to be written about. Mail of a category has a link that unsubscribes;
-- transactional mail has no category and always goes out.

set lock_timeout = '5s';

create table identity.unsubscriptions (
    user_id uuid not null,
    category text not null,
    created_at timestamptz not null default now(),
    constraint unsubscriptions_pkey primary key (user_id, category),
    constraint unsubscriptions_user_id_fkey foreign key (user_id) references public.profiles (id)
);
comment on table identity.unsubscriptions is
'Who wants no mail of which category. A row is a no: whoever never said anything is subscribed, also to categories to come.';

create type public.email_preference as (
    category text,
    subscribed boolean
);
comment on type public.email_preference is 'Whether a person gets mail of one category.';

create function identity.withdraw_emails(user_id uuid, category text, reason text)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- Whoever stages mail for many people holds this lock when it looks for the last time who wants it: either
    -- it sees our row, or we wait and then see its mails.
    perform from jobs.email_templates as t
    where t.category = withdraw_emails.category or (withdraw_emails.category is null and t.category is not null)
    order by t.template
    for share;

    return jobs.end_emails(
        array(
            select e.id
            from jobs.emails as e
            join jobs.email_templates as t on t.template = e.template
            where
                e.user_id = withdraw_emails.user_id and e.status = 'queued'
                and (t.category = withdraw_emails.category or withdraw_emails.category is null)
        ),
        'withdrawn', withdraw_emails.reason
    );
end
$$;
comment on function identity.withdraw_emails(uuid, text, text) is
'Ends what waits to be sent to a person, of one category or (null) of all and without one.';

create function identity.unsubscribe(user_id uuid, category text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into identity.unsubscriptions (user_id, category)
    values (user_id, category)
    on conflict on constraint unsubscriptions_pkey do nothing;
    perform identity.withdraw_emails(user_id, category, 'unsubscribed');
end
$$;
comment on function identity.unsubscribe(uuid, text) is
'Keeps that a person wants no mail of a category, and stops what is on its way.';

create function identity.my_email_preferences()
returns setof public.email_preference
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.require_profile();
begin
    return query
    select
        t.category,
        not exists (
            select from identity.unsubscriptions as u where u.user_id = v_profile.id and u.category = t.category
        )
    from jobs.email_templates as t
    where t.category is not null
    group by t.category
    order by t.category;
end
$$;
comment on function identity.my_email_preferences() is
'Every category of mail and whether the caller gets it. Definer because clients read neither table.';

create function public.my_email_preferences()
returns setof public.email_preference
language sql
stable
set search_path = ''
begin atomic
    select p.category, p.subscribed from identity.my_email_preferences() as p;
end;
comment on function public.my_email_preferences() is
'What you can be written about, and whether you are. Mail that answers something you did is not listed: it always comes.';

create function identity.set_email_preference(category text, subscribed boolean)
returns public.email_preference
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.lock_profile();
begin
    perform core.valid(category is not null, 'category', 'given');
    perform core.valid(subscribed is not null, 'subscribed', 'given');
    perform core.valid(
        exists (select from jobs.email_templates as t where t.category = set_email_preference.category),
        'category', 'one of my_email_preferences()'
    );

    if subscribed then
        delete from identity.unsubscriptions as u
        where u.user_id = v_profile.id and u.category = set_email_preference.category;
    else
        perform identity.unsubscribe(v_profile.id, category);
    end if;
    return row(category, subscribed);
end
$$;
comment on function identity.set_email_preference(text, boolean) is
'Subscribes or unsubscribes the caller. Definer because clients write neither preferences nor mails.';

create function public.set_email_preference(category text, subscribed boolean)
returns public.email_preference
language sql
volatile
set search_path = ''
return identity.set_email_preference(category, subscribed);
comment on function public.set_email_preference(text, boolean) is
'Say whether you want mail of a category of my_email_preferences. A no also stops what is not sent yet. Returns the preference.';

create function edge.unsubscribe(token uuid)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_category text;
    v_user_id uuid;
begin
    select t.category, e.user_id into v_category, v_user_id
    from jobs.emails as e
    join jobs.email_templates as t on t.template = e.template
    where e.unsubscribe_token = unsubscribe.token and t.category is not null;

    perform from public.profiles as p where p.id = v_user_id and p.deleted_at is null for share;
    if not found then
        perform core.fail('not_found', 'This link is not valid any more.');
    end if;

    perform identity.unsubscribe(v_user_id, v_category);
    return jsonb_build_object('category', v_category);
end
$$;
comment on function edge.unsubscribe(uuid) is
'The link in a mail was followed, by whoever has the mail: no sign-in. Repeating is harmless, and the answer does not say whose mail it was.
Definer because the edge reads no mails and writes no preferences.';
