-- What is sold, bought, paid and decided is kept in the audit log.

set lock_timeout = '5s';

select audit.track('public.products', key => '{id}');
select audit.track('public.prices', key => '{id}');
select audit.track('public.plans', key => '{plan}');
select audit.track('public.orders', key => '{id}', secret => '{customer_email}');
select audit.track('public.payments', key => '{id}');
select audit.track('public.refunds', key => '{id}');
select audit.track('public.disputes', key => '{id}');
select audit.track('public.subscriptions', key => '{id}');
select audit.track('billing.discrepancies', key => '{id}', ignore => '{last_seen_at}');
