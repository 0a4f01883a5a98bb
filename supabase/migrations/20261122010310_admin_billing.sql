-- Refunds and discrepancies: what admins decide about money.

set lock_timeout = '5s';

create function admin.refund_payment(payment_id uuid, amount bigint, reason text, idempotency_key text)
returns public.refunds
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    v_admin public.profiles := identity.lock_profile();
    v_first jsonb;
    v_refund public.refunds;
begin
    perform admin.require_admin();
    v_first := core.recall(
        v_admin.id, 'refund', idempotency_key,
        jsonb_build_object('payment_id', payment_id, 'amount', amount, 'reason', reason)
    );
    if v_first is not null then
        select r.* into strict v_refund from public.refunds as r where r.id = (v_first ->> 'refund_id')::uuid;
        return v_refund;
    end if;
    v_refund := billing.request_refund(payment_id, amount, reason, v_admin.id);
    perform core.remember(v_admin.id, 'refund', idempotency_key, jsonb_build_object('refund_id', v_refund.id));
    return v_refund;
end
$$;
comment on function admin.refund_payment(uuid, bigint, text, text) is
'Stages a refund on behalf of an admin. Definer because nobody else may write refunds.';

create function public.admin_refund_payment(
    payment_id uuid,
    amount bigint default null,
    reason text default null,
    idempotency_key text default null
)
returns public.refunds
language sql
volatile
set search_path = ''
return admin.refund_payment(payment_id, amount, reason, idempotency_key);
comment on function public.admin_refund_payment(uuid, bigint, text, text) is
'Admins: give so many minor units of a payment back, or all that is left. Together never more than was paid. Returns the refund, which Stripe is asked for at once; the same idempotency key returns the first one.';

create type public.discrepancy as (
    id bigint,
    kind text,
    subject text,
    reason text,
    suggested_action text,
    detail jsonb,
    first_seen_at timestamptz,
    last_seen_at timestamptz,
    resolved_at timestamptz,
    resolution text
);
comment on type public.discrepancy is 'Where Stripe, database and ledger do not agree, and what one might do.';

create function admin.discrepancies(only_open boolean, before bigint, page_size integer)
returns setof public.discrepancy
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    perform admin.require_admin();
    return query
    select
        d.id, d.kind, d.subject, d.reason, d.suggested_action, d.detail, d.first_seen_at, d.last_seen_at,
        d.resolved_at, d.resolution
    from billing.discrepancies as d
    where (d.resolved_at is null or only_open is false) and d.id < coalesce(before, 9223372036854775807)
    order by d.id desc
    limit least(greatest(coalesce(page_size, 50), 1), 200);
end
$$;
comment on function admin.discrepancies(boolean, bigint, integer) is
'A page of discrepancies, newest first. Definer because nobody else may read them; checks that the caller is an admin.';

create function public.admin_discrepancies(
    only_open boolean default true,
    before bigint default null,
    page_size integer default 50
)
returns setof public.discrepancy
language sql
stable
set search_path = ''
begin atomic
    select
        d.id, d.kind, d.subject, d.reason, d.suggested_action, d.detail, d.first_seen_at, d.last_seen_at,
        d.resolved_at, d.resolution
    from admin.discrepancies(
        admin_discrepancies.only_open, admin_discrepancies.before, admin_discrepancies.page_size
    ) as d;
end;
comment on function public.admin_discrepancies(boolean, bigint, integer) is
'Admins: what Stripe, database and ledger do not agree about, newest first; the next page is `before` the last id.';

create function admin.resolve_discrepancy(id bigint, resolution text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform identity.lock_profile();
    perform admin.require_admin();
    perform core.valid(resolution is not null, 'resolution', 'given');
    if not billing.resolve_discrepancy(id, resolution, (select auth.uid())) then
        perform core.fail('not_found', 'There is no such open discrepancy.');
    end if;
end
$$;
comment on function admin.resolve_discrepancy(bigint, text) is
'Closes a discrepancy on behalf of an admin. Definer because nobody else may write them.';

create function public.admin_resolve_discrepancy(id bigint, resolution text)
returns void
language sql
volatile
set search_path = ''
return admin.resolve_discrepancy(id, resolution);
comment on function public.admin_resolve_discrepancy(bigint, text) is
'Admins: close a discrepancy and say how it was settled. It is filed anew if it shows again.';
