-- Which mails exist and what each is filled with. The wording stands in edge/emails; what
-- may be said is declared here, by the domain that says it, so that a mail that cannot be
-- rendered is refused in the transaction that stages it.

set lock_timeout = '5s';

create table jobs.email_templates (
    template text constraint email_templates_pkey primary key,
    category text,
    params jsonb not null default '{}',
    description text not null,
    constraint template_is_snake_case check (template ~ '^[a-z][a-z0-9_]*$' and char_length(template) <= 100),
    constraint category_is_snake_case check (category ~ '^[a-z][a-z0-9_]*$' and char_length(category) <= 100),
    constraint params_are_an_object check (jsonb_typeof(params) = 'object'),
    constraint params_have_known_types check (
        not params @? '$.* ? (!(@ like_regex "^(text|integer|number|boolean|timestamp|uuid|list)[?]?$"))'
    )
);
comment on table jobs.email_templates is 'Every e-mail that is ever sent, declared by the migration of the domain that sends it.';
comment on column jobs.email_templates.category is
'What people may unsubscribe from. Null for transactional mail, which answers something that somebody did and always goes out.';
comment on column jobs.email_templates.params is
'{"name": type}: text, integer, number, boolean, timestamp, uuid or list; with a question mark it may be null.';
