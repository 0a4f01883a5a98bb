-- The way into the ledger: post a transfer, once per reference; take one back; lock
-- accounts for several.

set lock_timeout = '5s';

create function ledger.post(
    reference text,
    lines ledger.line[],
    description text default null,
    metadata jsonb default '{}',
    reverses bigint default null
)
returns ledger.transfers
language plpgsql
volatile
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_transfer ledger.transfers;
begin
    if reference is null or lines is null or metadata is null then
        perform core.valid(reference is not null, 'reference', 'given');
        perform core.valid(lines is not null, 'lines', 'given');
        perform core.valid(metadata is not null, 'metadata', 'given');
    end if;

    if cardinality(lines) = 2 then
        if lines[1].account_id > lines[2].account_id then
            lines := array[lines[2], lines[1]];
        end if;
    else
        lines := array(select l from unnest(lines) as l order by l.account_id);
    end if;

    -- A concurrent twin waits here, holding nothing, until the first one commits or gives
    -- up. Then the accounts are locked, by their entries, in the order of their ids.
    insert into ledger.transfers as t (reference, description, metadata, lines, reverses)
    values (post.reference, post.description, post.metadata, post.lines, post.reverses)
    on conflict do nothing
    returning t.* into v_transfer;
    if found then
        return v_transfer;
    end if;

    select t.* into v_transfer from ledger.transfers as t where t.reference = post.reference;
    if not found then
        perform core.fail(
            'invalid_state', 'The transfer was taken back already.',
            (
                select jsonb_build_object('transfer', t.reverses, 'reversed_by', t.reference)
                from ledger.transfers as t where t.reverses = post.reverses
            )
        );
    elsif
        (v_transfer.description, v_transfer.metadata, v_transfer.lines, v_transfer.reverses)
        is distinct from (post.description, post.metadata, post.lines, post.reverses)
    then
        perform core.fail(
            'conflict', 'This reference was used for another transfer. Use a new one.',
            jsonb_build_object('reference', reference, 'transfer', v_transfer.id)
        );
    end if;
    return v_transfer;
end
$$;
comment on function ledger.post(text, ledger.line[], text, jsonb, bigint) is
'Posts a transfer in the caller''s transaction and returns it. The same reference and content returns the first one, other content is a conflict.
Refused as a whole: lines that do not add up to zero in each currency, unknown accounts, other currencies, overdrafts.
Post more than once in a transaction only after ledger.lock, or be ready to retry after a deadlock. reverses is for ledger.reverse.';

create function ledger.reverse(
    reference text,
    of_reference text,
    description text default null,
    metadata jsonb default '{}'
)
returns ledger.transfers
language plpgsql
volatile
set search_path = ''
as $$
declare
    v_reversed ledger.transfers;
begin
    perform core.valid(of_reference is not null, 'of_reference', 'given');
    select t.* into v_reversed from ledger.transfers as t where t.reference = of_reference;
    if not found then
        perform core.fail('not_found', 'There is no such transfer.', jsonb_build_object('reference', of_reference));
    end if;
    return ledger.post(
        reference,
        array(select row(l.account_id, -l.amount, l.currency)::ledger.line from unnest(v_reversed.lines) as l),
        description, metadata, v_reversed.id
    );
end
$$;
comment on function ledger.reverse(text, text, text, jsonb) is
'Takes a transfer back as a whole: posts its opposite, at most once per transfer. A partial refund is a transfer of its own.';

create function ledger.lock(account_ids bigint[])
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.valid(account_ids is not null, 'account_ids', 'given');
    perform from ledger.totals as t
    where t.account_id = any (account_ids) and t.keeps_balance
    order by t.account_id
    for no key update;
end
$$;
comment on function ledger.lock(bigint[]) is
'For a transaction that posts more than once: locks all accounts that it will touch, in the order that everybody keeps. Busy accounts without a kept balance are never locked.';
