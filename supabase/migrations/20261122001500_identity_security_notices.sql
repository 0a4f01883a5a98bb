-- Whoever takes over an account cannot do it silently: its owner hears of a new password,
-- address or role, by mail and in the app.

set lock_timeout = '5s';

insert into jobs.email_templates (template, params, description) values
(
    'email_changed', '{"new_address": "text?", "changed_at": "timestamp"}',
    'To the old address: the account has another one now, shown masked.'
),
('password_changed', '{"changed_at": "timestamp"}', 'The account''s password was changed.'),
(
    'role_changed', '{"role": "text", "changed_at": "timestamp"}',
    'The account''s role in the product was changed.'
);

create function identity.masked_email(address text)
returns text
language sql
immutable
set search_path = ''
return regexp_replace(address, '^(.).*@', '\1***@');
comment on function identity.masked_email(text) is
'Enough of an address to recognize one''s own: a***@example.com. Who reads it may not be its owner.';

create function identity.give_notice(user_id uuid, address text, what text, params jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_address text := lower(btrim(address));
    -- The time of the transaction: what fires twice in it is one event.
    v_cause text := format('%s:%s:%s', what, give_notice.user_id, extract(epoch from now()));
begin
    -- A password change must not fail because of an address that no mail can be sent to.
    if core.is_email(v_address) then
        perform jobs.email(
            what, v_address, params || jsonb_build_object('changed_at', now()), v_cause, give_notice.user_id
        );
    end if;
    perform identity.notify(give_notice.user_id, what, params, v_cause);
end
$$;
comment on function identity.give_notice(uuid, text, text, jsonb) is
'Tells a person by mail (if they have an address) and in the app what happened to their account.';

create function identity.notice_password()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.give_notice(new.id, new.email, 'password_changed', '{}');
    return null;
end
$$;
comment on function identity.notice_password() is
'A password was replaced or removed. Definer because the auth service may not write mails and notifications.';

create function identity.notice_email()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.give_notice(
        new.id, old.email, 'email_changed', jsonb_build_object('new_address', identity.masked_email(new.email))
    );
    return null;
end
$$;
comment on function identity.notice_email() is
'A confirmed address was replaced: the old one is told. Definer because the auth service may not write mails and notifications.';

create function identity.notice_role()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.give_notice(new.id, new.email, 'role_changed', jsonb_build_object('role', new.role));
    return null;
end
$$;
comment on function identity.notice_role() is
'Somebody was given or lost rights inside the product. Definer so that no role needs the right to write mails.';

create trigger _400_notice_password
after update of encrypted_password on auth.users
for each row
when (
    old.encrypted_password <> '' and old.encrypted_password is distinct from new.encrypted_password
    and new.deleted_at is null
)
execute function identity.notice_password();

create trigger _410_notice_email
after update of email on auth.users
for each row
when (
    old.email_confirmed_at is not null and lower(old.email) is distinct from lower(new.email)
    and new.deleted_at is null
)
execute function identity.notice_email();

create trigger _400_notice_role
after update of role on public.profiles
for each row
when (old.role <> new.role and new.deleted_at is null)
execute function identity.notice_role();
