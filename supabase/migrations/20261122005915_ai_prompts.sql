-- From an input to the prompt: the same for everybody who says the same, so that answers
-- can be given again.

set lock_timeout = '5s';

create function ai.normalized(value text)
returns text
language sql
immutable
parallel safe
set search_path = ''
return btrim(
    regexp_replace(
        regexp_replace(normalize(value, nfc), E'\r\n?|\u0085', E'\n', 'g'),
        U&'[\0001-\0008\000B-\001F\007F-\009F\00AD\061C\115F\1160\180E\200B\200E\200F'
        '\2028-\202E\2060-\206F\3164\FE00-\FE0E\FEFF\FFA0\FFF9-\FFFB\+0E0000-\+0E01EF]',
        '', 'g'
    ),
    E' \t\n'
);
comment on function ai.normalized(text) is
'Text as models get it: composed, line breaks as one character, without control characters (but tabs), invisible ones and marks that reorder: nobody shall hide words from who reads the input.';

create function ai.list_item(value text)
returns text
language sql
immutable
parallel safe
set search_path = ''
return replace(ai.normalized(value), E'\n', ' ');
comment on function ai.list_item(text) is 'Text as models get it in a list: one line.';

create function ai.value_of(input jsonb, name text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_value jsonb := input -> name;
    v_text text;
begin
    if jsonb_typeof(v_value) = 'array' then
        select string_agg('- ' || ai.list_item(e.value), E'\n' order by e.place)
        into v_text
        from jsonb_array_elements_text(v_value) with ordinality as e (value, place);
        perform core.valid(v_text !~ '(^|\n)- *(\n|$)', 'input.' || name, 'a list of texts that say something');
    else
        v_text := ai.normalized(v_value #>> '{}');
    end if;
    perform core.valid(coalesce(v_text, '') <> '', 'input.' || name, 'given, and more than spaces');
    return v_text;
end
$$;
comment on function ai.value_of(jsonb, text) is 'A member of the input as the template shows it: a list has one line for each element.';

create function ai.enclosed(value text, template text)
returns text
language sql
immutable
parallel safe
set search_path = ''
return coalesce(
    regexp_replace(
        value,
        '<(?=\s*/?\s*('
        || (
            select string_agg(distinct t.tag[1], '|')
            from regexp_matches(enclosed.template, '<([a-z_]+)>', 'g') as t (tag)
        )
        || ')\s*/?\s*>)',
        '&lt;', 'gi'
    ),
    value
);
comment on function ai.enclosed(text, text) is
'A value without the tags that the template puts around it: what somebody wrote shall not end where somebody wants it to.';

create function ai.rendered(template text, input jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
    select string_agg(
        case
            when p.part[1] is null then p.part[2]
            else ai.enclosed(ai.value_of(input, p.part[1]), template)
        end, '' order by p.place
    )
    from regexp_matches(template, '\{([A-Za-z_][A-Za-z0-9_]*)\}|([^{]+|\{)', 'g') with ordinality as p (part, place);
$$;
comment on function ai.rendered(text, jsonb) is
'The template with the members of the input in their places. One pass: braces in what people wrote are text, and so are the template''s own tags.';

create function ai.choices_in(input jsonb, name text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_choices jsonb;
begin
    if name is null then
        return null;
    end if;
    perform core.valid(coalesce(jsonb_typeof(input -> name) = 'array', false), 'input.' || name, 'a list');
    select jsonb_object_agg(ai.list_item(e.value), e.value) into v_choices
    from jsonb_array_elements_text(input -> name) as e (value);
    perform core.valid(v_choices is not null, 'input.' || name, 'a list of something');
    perform core.valid(
        (select count(*) from jsonb_object_keys(v_choices)) = jsonb_array_length(input -> name),
        'input.' || name, 'a list of texts that differ in more than spaces and hidden characters'
    );
    return v_choices;
end
$$;
comment on function ai.choices_in(jsonb, text) is
'The answers that this member of the input allows: as a model gets to see each, and as it was written. Null if any answer will do.';

create function ai.visible_tasks(project_id uuid)
returns text
language sql
stable
set search_path = ''
as $$
    select string_agg(
        format('- [%s] %s%s', t.status, t.title, ' (' || nullif(trim_scale(t.value), 0) || ')'), E'\n'
        order by t.created_at, t.id
    )
    from (
        select a.id, a.status, a.title, a.value, a.created_at
        from public.tasks as a
        where a.project_id = visible_tasks.project_id
        order by a.created_at desc, a.id desc
        limit 500
    ) as t;
$$;
comment on function ai.visible_tasks(uuid) is
'The newest 500 tasks of a project, one a line. Not a definer: policies decide which.';

create function ai.visible_project(input jsonb)
returns jsonb
language sql
stable
set search_path = ''
begin atomic
    select
        jsonb_build_object(
            'organization_id', p.organization_id,
            'text', concat_ws(
                E'\n', 'Project: ' || p.name, 'Data: ' || nullif(p.data::text, '{}'), ai.visible_tasks(p.id)
            )
        )
    from public.projects as p
    where p.id = case
        when pg_input_is_valid(visible_project.input ->> 'project_id', 'uuid')
            then (visible_project.input ->> 'project_id')::uuid
    end;
end;
comment on function ai.visible_project(jsonb) is
'The project that the input names, as text with its tasks, and its organization; null if the caller may see none. Not a definer: policies decide.';
