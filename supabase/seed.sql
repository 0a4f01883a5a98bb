-- Demo accounts and data for a development database. Applied only with
-- `db push --include-seed`; never use that flag against production.

with people (id, email, name) as (
    values
    ('00000000-0000-4000-8000-000000000001'::uuid, 'ada@example.com', 'Ada Lovelace'),
    ('00000000-0000-4000-8000-000000000002'::uuid, 'grace@example.com', 'Grace Hopper'),
    ('00000000-0000-4000-8000-000000000003'::uuid, 'alan@example.com', 'Alan Turing')
),

users as (
    insert into auth.users (
        id, aud, role, email, encrypted_password, email_confirmed_at,
        raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
        confirmation_token, recovery_token, email_change_token_new, email_change
    )
    select
        p.id, 'authenticated', 'authenticated', p.email,
        extensions.crypt('groundwork1', extensions.gen_salt('bf')), now(),
        '{"provider": "email", "providers": ["email"]}', jsonb_build_object('name', p.name), now(), now(),
        '', '', '', ''
    from people as p
    on conflict (id) do nothing
    returning id, email
)

insert into auth.identities (
    id, provider_id, user_id, provider, identity_data, last_sign_in_at, created_at, updated_at
)
select
    gen_random_uuid(), u.id::text, u.id, 'email',
    jsonb_build_object('sub', u.id, 'email', u.email, 'email_verified', true), now(), now(), now()
from users as u;

-- Hosted Auth looks people up by this column; the local stand-in does not have it.
do $$
begin
    if exists (
        select from information_schema.columns as c
        where c.table_schema = 'auth' and c.table_name = 'users' and c.column_name = 'instance_id'
    ) then
        update auth.users set instance_id = '00000000-0000-0000-0000-000000000000' where instance_id is null;
    end if;
end
$$;

update public.profiles set role = 'super_admin' where email = 'ada@example.com' and role <> 'super_admin';

insert into public.organizations (id, name, slug)
values ('00000000-0000-4000-8000-000000000101', 'Analytical Engines', 'analytical-engines')
on conflict (id) do nothing;

insert into public.memberships (organization_id, user_id, role)
values
('00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000001', 'owner'),
('00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000002', 'member')
on conflict (organization_id, user_id) do nothing;

insert into public.projects (id, user_id, organization_id, name, data)
values
(
    '00000000-0000-4000-8000-000000000201', '00000000-0000-4000-8000-000000000001',
    '00000000-0000-4000-8000-000000000101', 'Bernoulli numbers', '{"color": "brass"}'
),
(
    '00000000-0000-4000-8000-000000000202', '00000000-0000-4000-8000-000000000002',
    null, 'Nanosecond wires', '{}'
)
on conflict (id) do nothing;

insert into public.tasks (id, project_id, user_id, title, status, value)
values
(
    '00000000-0000-4000-8000-000000000301', '00000000-0000-4000-8000-000000000201',
    '00000000-0000-4000-8000-000000000001', 'Write note G', 'in_progress', 25
),
(
    '00000000-0000-4000-8000-000000000302', '00000000-0000-4000-8000-000000000202',
    '00000000-0000-4000-8000-000000000002', 'Cut to 29.98 cm', 'done', 1
)
on conflict (id) do nothing;

-- Something to buy; what one can subscribe to is in the migrations.
insert into public.products (id, name, description)
values
('00000000-0000-4000-8000-000000000401', 'Punched cards', 'A box of a thousand, blank.'),
('00000000-0000-4000-8000-000000000402', 'Brass gear', 'Sixty-four teeth, polished.')
on conflict (id) do nothing;

insert into public.prices (id, product_id, currency, unit_amount)
values
('00000000-0000-4000-8000-000000000501', '00000000-0000-4000-8000-000000000401', 'USD', 1500),
('00000000-0000-4000-8000-000000000502', '00000000-0000-4000-8000-000000000402', 'USD', 24900)
on conflict (id) do nothing;
