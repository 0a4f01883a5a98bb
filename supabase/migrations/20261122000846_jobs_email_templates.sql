-- Which mails exist and what each is filled with. The wording stands in edge/emails; what
-- may be said is declared here, by the domain that says it, so that a mail that cannot be
-- rendered is refused in the transaction that stages it.

set lock_timeout = '5s';

create function jobs.path_of(declared jsonb)
returns jsonpath
language plpgsql
immutable
set search_path = ''
as $$
begin
    return (
        select coalesce(string_agg(
            format(
                case when d.type like '%?' then '(!exists($.%1$s) || $.%1$s.type() == "null" || %2$s) && ' else '%2$s && ' end,
                to_json(d.name),
                format(
                    case rtrim(d.type, '?')
                        when 'text' then '$.%s.type() == "string"'
                        when 'integer' then '$.%1$s.type() == "number" && $.%1$s.string() like_regex "^-?[0-9]+$"'
                        when 'number' then '$.%s.type() == "number"'
                        when 'boolean' then '$.%s.type() == "boolean"'
                        when 'list' then '$.%s.type() == "array"'
                        when 'uuid' then '$.%1$s.type() == "string" && $.%1$s like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"'
                        -- No 29th to 31st here, for not every month has them.
                        when 'timestamp' then
                            '$.%1$s.type() == "string" && $.%1$s like_regex "^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T'
                            '([01][0-9]|2[0-3])(:[0-5][0-9]){2}([.][0-9]{1,6})?([+]00:00|Z)$"'
                        else '1 == 0'
                    end,
                    to_json(d.name)
                )
            ), '' order by d.name
        ), '') || format(
            '!exists($.keyvalue() ? (%s))', coalesce(string_agg(format('@.key != %s', to_json(d.name)), ' && '), '1 == 1')
        )
        from jsonb_each_text(declared) as d (name, type)
    )::jsonpath;
end
$$;
comment on function jobs.path_of(jsonb) is
'A path that matches the usual parameters of a template, and none that jobs.require_params refuses: a tenth of its cost.';

create table jobs.email_templates (
    template text constraint email_templates_pkey primary key,
    category text,
    params jsonb not null default '{}',
    description text not null,
    usual jsonpath not null generated always as (jobs.path_of(params)) stored,
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
comment on column jobs.email_templates.usual is
'Matches params that are certainly as declared. Others are asked one by one.';
