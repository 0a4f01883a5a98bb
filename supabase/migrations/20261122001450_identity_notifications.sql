-- What the app tells people when they look. Staged in the transaction of its cause, like
-- mail; and because its cause is audited, notifications are not.

set lock_timeout = '5s';

create table public.notifications (
    id uuid constraint notifications_pkey primary key default gen_random_uuid(),
    user_id uuid not null,
    kind text not null,
    data jsonb not null default '{}',
    dedupe_key text not null,
    created_at timestamptz not null default now(),
    read_at timestamptz,
    constraint notifications_user_id_fkey foreign key (user_id) references public.profiles (id),
    constraint one_notification_per_cause unique (user_id, dedupe_key),
    constraint kind_is_snake_case check (kind ~ '^[a-z][a-z0-9_]*$' and char_length(kind) <= 100),
    constraint data_is_a_small_object check (core.is_small_object(data, 8192)),
    constraint dedupe_key_is_one_line check (core.is_one_line(dedupe_key, 200))
);
comment on table public.notifications is
'What the app tells a person. People read their own, mark them as read and delete them for real; only the database writes new ones.';
comment on column public.notifications.data is
'What the app fills its wording with. Of other people it holds ids only, since it outlives them.';
comment on column public.notifications.dedupe_key is 'Names the cause. Whatever is replayed, one cause tells a person once.';
comment on column public.notifications.read_at is
'When it was read first. Whatever time a client sends means "now", null means unread.';

create index notifications_newest on public.notifications (user_id, created_at desc);
create index notifications_by_age on public.notifications (created_at);

create function identity.stamp_read()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    new.read_at := case when new.read_at is not null then coalesce(old.read_at, now()) end;
    return new;
end
$$;
comment on function identity.stamp_read() is 'A client says whether it was read; the database says when.';

create trigger _100_refuse_new_content
before update on public.notifications
for each row
when (
    (old.id, old.user_id, old.kind, old.data, old.dedupe_key, old.created_at)
    is distinct from (new.id, new.user_id, new.kind, new.data, new.dedupe_key, new.created_at)
)
execute function core.refuse_change('A notification can be marked as read, nothing else.');

create trigger _200_stamp_read
before update on public.notifications
for each row
execute function identity.stamp_read();

create function identity.notify(user_id uuid, kind text, data jsonb, dedupe_key text)
returns void
language sql
volatile
set search_path = ''
begin atomic
    insert into public.notifications (user_id, kind, data, dedupe_key)
    select p.id, notify.kind, notify.data, notify.dedupe_key
    from public.profiles as p
    where p.id = notify.user_id and p.deleted_at is null
    on conflict on constraint one_notification_per_cause do nothing;
end;
comment on function identity.notify(uuid, text, jsonb, text) is
'Tells a live person something, once for each cause. Called by definers only.';

create function identity.mark_notifications_read()
returns integer
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_profile public.profiles := identity.lock_profile();
    v_count integer;
begin
    update public.notifications as n
    set read_at = now()
    where n.user_id = v_profile.id and n.read_at is null;
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
comment on function identity.mark_notifications_read() is
'Marks all that the caller has not read. Definer so that it can lock the caller''s profile like every function that writes.';

create function public.mark_notifications_read()
returns integer
language sql
volatile
set search_path = ''
return identity.mark_notifications_read();
comment on function public.mark_notifications_read() is 'Mark all your notifications as read. Returns how many were not.';

create function identity.clean_up(payload jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_count integer;
begin
    -- Bounded, so that a long pause ends in several short transactions instead of a long one.
    delete from public.notifications as n
    where n.id = any (array(
        select o.id
        from public.notifications as o
        where
            o.created_at < now() - interval '90 days'
            and (o.read_at < now() - interval '90 days' or o.created_at < now() - interval '400 days')
        limit 50000
    ));
    get diagnostics v_count = row_count;

    if v_count = 50000 then
        perform jobs.enqueue('identity.clean_up', clean_up.payload - 'slot', now() + interval '10 seconds');
    end if;
    return jsonb_build_object('notifications', v_count);
end
$$;
comment on function identity.clean_up(jsonb) is
'Deletes notifications that were read 90 days ago, and all that are older than 400 days.';

insert into jobs.kinds (kind, handler, sql_function, max_attempts, description) values
('identity.clean_up', 'sql', 'identity.clean_up', 5, 'Deletes old notifications.');

insert into jobs.schedules (name, cron, kind) values
('clean_up_identity', '37 4 * * *', 'identity.clean_up');
