-- What a call can cost at worst, which is held, and what it did cost, which is paid.

set lock_timeout = '5s';

create type ai.bill as (
    input_tokens bigint,
    cached_input_tokens bigint,
    cache_write_tokens bigint,
    output_tokens bigint,
    cost_micros bigint,
    is_assumed boolean
);
comment on type ai.bill is 'What a call took; input tokens include those from and for the provider''s cache.';

create function ai.worst_cost(model ai.models, input_bound bigint, output_bound bigint)
returns bigint
language sql
immutable
set search_path = ''
return ceil(
    (
        input_bound::numeric
        * greatest(model.input_micros, model.cached_input_micros, model.cache_write_micros)
        + output_bound::numeric * model.output_micros
    ) / 1000000
)::bigint;
comment on function ai.worst_cost(ai.models, bigint, bigint) is 'In millionths of a US dollar: so many tokens in and out at the dearest rate.';

create function ai.keep_least_cost()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_least bigint;
begin
    -- As ai.prepared bounds a call, with an empty prompt.
    select coalesce(min(ai.worst_cost(
        m, octet_length(f.instructions) + 500, (f.parameters ->> 'max_tokens')::bigint
    )), 0) into v_least
    from ai.features as f
    inner join ai.models as m on f.provider = m.provider and f.model = m.model
    where f.enabled;
    update metering.actions as a
    set least_cost_micros = v_least
    where a.action = 'ai' and a.least_cost_micros <> v_least;
    return null;
end
$$;
comment on function ai.keep_least_cost() is
'Keeps what the cheapest feature holds at least, so that explain_access does not promise a call for which no money is left.';

create trigger _300_keep_least_cost
after insert or update or delete on ai.features
for each statement
execute function ai.keep_least_cost();

create trigger _300_keep_least_cost
after update on ai.models
for each statement
execute function ai.keep_least_cost();

-- The features are there already.
update ai.features set enabled = enabled;

create function ai.count_of(tokens jsonb, name text)
returns numeric
language sql
immutable
set search_path = ''
return case
    when jsonb_typeof(tokens -> name) = 'number' and (tokens ->> name)::numeric % 1 = 0
        then (tokens ->> name)::numeric
end;
comment on function ai.count_of(jsonb, text) is 'A whole number that the provider reported, or null.';

create function ai.bill_of_one(request ai.requests, tokens jsonb, has_output boolean)
returns ai.bill
language plpgsql
stable
set search_path = ''
as $$
declare
    v_model ai.models;
    v_input numeric := ai.count_of(tokens, 'input_tokens');
    v_cached numeric := coalesce(ai.count_of(tokens, 'cached_input_tokens'), 0);
    v_written numeric := coalesce(ai.count_of(tokens, 'cache_write_tokens'), 0);
    v_output numeric := ai.count_of(tokens, 'output_tokens');
    v_bill ai.bill;
begin
    v_bill.is_assumed := coalesce(
        v_input is null or v_output is null
        or v_input not between 1 and request.input_bound
        or v_output not between (case when has_output then 1 else 0 end) and request.output_bound
        or v_cached < 0 or v_written < 0 or v_cached + v_written > v_input,
        true
    );
    if v_bill.is_assumed then
        v_bill.input_tokens := request.input_bound;
        v_bill.output_tokens := request.output_bound;
        v_bill.cached_input_tokens := 0;
        v_bill.cache_write_tokens := 0;
        v_bill.cost_micros := request.worst_cost_micros;
        return v_bill;
    end if;
    select m.* into strict v_model
    from ai.models as m
    where m.provider = request.provider and m.model = request.model;
    v_bill.input_tokens := v_input;
    v_bill.cached_input_tokens := v_cached;
    v_bill.cache_write_tokens := v_written;
    v_bill.output_tokens := v_output;
    v_bill.cost_micros := ceil(
        (
            (v_input - v_cached - v_written) * v_model.input_micros
            + v_cached * v_model.cached_input_micros
            + v_written * v_model.cache_write_micros
            + v_output * v_model.output_micros
        ) / 1000000
    );
    return v_bill;
end
$$;
comment on function ai.bill_of_one(ai.requests, jsonb, boolean) is
'What the reported tokens cost. Counts that are missing, negative or more than there can have been are not believed: the worst case is assumed, never nothing.';

create function ai.bill_of(request ai.requests, tokens jsonb, has_output boolean)
returns ai.bill
language sql
stable
set search_path = ''
as $$
    select
        row(
            sum(b.input_tokens), sum(b.cached_input_tokens), sum(b.cache_write_tokens), sum(b.output_tokens),
            sum(b.cost_micros), bool_or(b.is_assumed)
        )::ai.bill
    from jsonb_array_elements(
        case when jsonb_typeof(tokens) = 'array' and tokens <> '[]' then tokens else jsonb_build_array(tokens) end
    ) as t (counts)
    cross join lateral ai.bill_of_one(request, t.counts, has_output) as b;
$$;
comment on function ai.bill_of(ai.requests, jsonb, boolean) is
'What a call cost whose provider counted these tokens; a list where it took several attempts, each of which is charged.';

create function ai.shown_bill(bill ai.bill)
returns jsonb
language sql
immutable
set search_path = ''
return jsonb_build_object(
    'input_tokens', coalesce(bill.input_tokens, 0),
    'cached_input_tokens', coalesce(bill.cached_input_tokens, 0),
    'output_tokens', coalesce(bill.output_tokens, 0), 'cost_micros', coalesce(bill.cost_micros, 0),
    'assumed', coalesce(bill.is_assumed, false)
);
comment on function ai.shown_bill(ai.bill) is 'The `usage` of an answer; of one that cost nothing all zeros.';
