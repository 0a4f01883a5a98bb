-- Rules stand in CHECK constraints, where nothing bypasses them, and still answer
-- with a typed error instead of the constraint's internals.

set lock_timeout = '5s';

create function core.valid(condition boolean, field text, rule text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    if condition is false then
        raise exception using
            errcode = 'PT422',
            message = 'validation_failed',
            detail = jsonb_build_object('field', field, 'rule', rule)::text,
            hint = format('%s must be %s.', field, rule);
    end if;
    return true;
end
$$;
comment on function core.valid(boolean, text, text) is
'The body of a CHECK on what clients write: refuses with validation_failed, naming field and rule. Null passes, as in any CHECK.';

create function core.without_hidden(value text)
returns text
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    -- The joiners U+200C and U+200D stay: Persian, Indian scripts and emoji are written with them.
    return regexp_replace(
        value, U&'[\0001-\001F\007F-\009F\00AD\061C\115F\1160\180E\200B\200E\200F\2028-\202E\2060-\206F\3164\FEFF\FFA0\+0E0000-\+0E007F]',
        '', 'g'
    );
end
$$;
comment on function core.without_hidden(text) is
'The text without control characters, line breaks, invisible characters and marks that reorder what people read.';

create function core.is_one_line(value text, max_length integer)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return
        char_length(value) <= max_length
        and value ~ U&'[^ \00A0\1680\2000-\200A\200C\200D\202F\205F\3000]'
        and value = core.without_hidden(value);
end
$$;
comment on function core.is_one_line(text, integer) is
'True for what people see as one line with something on it: bounded, nothing hidden, not only spaces.';

create function core.is_email(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return
        char_length(value) <= 320
        and value = lower(value)
        and value ~ '^[^][[:space:][:cntrl:]@<>(),:;"\\]+@[^][[:space:][:cntrl:]@<>(),:;"\\]+\.[^][[:space:][:cntrl:]@<>(),:;"\\.]+$';
end
$$;
comment on function core.is_email(text) is
'True for a lower-case address that mail can be sent to: one @, a dotted host, nothing that could break a header.';

create function core.is_small_object(value jsonb, max_bytes integer)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
    return jsonb_typeof(value) = 'object' and octet_length(value::text) <= max_bytes;
end
$$;
comment on function core.is_small_object(jsonb, integer) is
'True for a JSON object within a size, so that no client can park megabytes in a row.';
