-- What models cost. The provider's price list is the source; each row says where and when
-- it was read.

set lock_timeout = '5s';

create table ai.models (
    provider text not null,
    model text not null,
    input_micros bigint not null,
    cached_input_micros bigint not null,
    cache_write_micros bigint not null,
    output_micros bigint not null,
    up_to_tokens bigint not null,
    source text not null,
    valid_from date not null,
    constraint models_pkey primary key (provider, model),
    constraint provider_is_known check (provider in ('anthropic', 'openai')),
    constraint model_is_a_name check (model ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    constraint prices_are_no_gifts check (
        input_micros > 0 and output_micros > 0 and cached_input_micros >= 0 and cache_write_micros >= 0
    ),
    constraint up_to_tokens_is_a_size check (up_to_tokens between 1 and 10000000)
);
comment on table ai.models is
'Prices in millionths of a US dollar for a million tokens. Nothing is asked of a model that has no row, because nobody could say what it costs.';
comment on column ai.models.cached_input_micros is 'Of input that the provider had in its own cache.';
comment on column ai.models.cache_write_micros is 'Of input that it put there.';
comment on column ai.models.up_to_tokens is 'Longer inputs are refused: the model does not take them, or they cost more than this row says.';
comment on column ai.models.valid_from is 'The day on which the price was read at the source. What past calls cost stands in ai.requests.';

insert into ai.models (
    provider, model, input_micros, cached_input_micros, cache_write_micros, output_micros, up_to_tokens,
    source, valid_from
) values
(
    'anthropic', 'claude-haiku-4-5', 1000000, 100000, 1250000, 5000000, 200000,
    'https://platform.claude.com/docs/en/about-claude/pricing', '2026-11-22'
),
(
    'openai', 'gpt-6-luna', 100000, 10000, 125000, 500000, 272000,
    'https://developers.openai.com/api/docs/models/gpt-6-luna', '2026-11-22'
);
