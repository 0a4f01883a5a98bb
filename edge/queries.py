"""All SQL that the edge runs: the envelope of a transaction, and calls of functions in schema edge."""

from __future__ import annotations

from typing import Final, LiteralString

ACT_AS_SERVICE: Final[LiteralString] = """
select set_config('request.headers', %(headers)s, true),
       set_config('audit.actor', 'edge', true)
"""
"""The audit log names the service where no person acts."""

ACT_AS_USER: Final[LiteralString] = """
select set_config('role', 'authenticated', true),
       set_config('request.jwt.claims', %(claims)s, true),
       set_config('request.headers', %(headers)s, true)
"""
"""As the Data API does it, so that policies and functions cannot tell the two apart."""

ACT_AS_WORKER: Final[LiteralString] = """
select set_config('request.headers', %(headers)s, true),
       set_config('audit.actor', 'worker', true),
       set_config('statement_timeout', %(statement_timeout)s, true)
"""
"""A job may take longer than a request."""

READY: Final[LiteralString] = "select edge.ready()"
TAKE_RATE: Final[LiteralString] = "select edge.take_rate(%(name)s::text)"
ME: Final[LiteralString] = "select edge.me() || jsonb_build_object('plan', edge.my_plan())"
UNSUBSCRIBE: Final[LiteralString] = "select edge.unsubscribe(%(token)s)"

START_CHECKOUT: Final[LiteralString] = """
select edge.start_checkout(
    %(items)s::jsonb, %(success_url)s::text, %(cancel_url)s::text, %(idempotency_key)s::text
)
"""
RETRY_ORDER: Final[LiteralString] = "select edge.retry_order(%(order_id)s::uuid)"
START_SUBSCRIPTION: Final[LiteralString] = """
select edge.start_subscription(
    %(plan)s::text, %(organization_id)s::uuid, %(success_url)s::text, %(cancel_url)s::text
)
"""
BILLING_CUSTOMER: Final[LiteralString] = "select edge.billing_customer(%(organization_id)s::uuid)"
BIND_STRIPE_CUSTOMER: Final[LiteralString] = """
select edge.bind_stripe_customer(%(customer_id)s::uuid, %(stripe_id)s::text)
"""
OPEN_CHECKOUT: Final[LiteralString] = "select edge.open_checkout(%(checkout_id)s::uuid, %(session)s::jsonb)"
FAIL_CHECKOUT: Final[LiteralString] = "select edge.fail_checkout(%(checkout_id)s::uuid, %(reason)s::text)"
RECEIVE_STRIPE_EVENT: Final[LiteralString] = "select edge.receive_stripe_event(%(payload)s::jsonb)"

AI_INPUT_SCHEMA: Final[LiteralString] = "select edge.ai_input_schema(%(feature)s::text)"
START_COMPLETION: Final[LiteralString] = """
select edge.start_completion(
    %(feature)s::text, %(input)s::jsonb, %(idempotency_key)s::text, make_interval(secs => %(lease)s)
)
"""
FOLLOW_COMPLETION: Final[LiteralString] = "select edge.follow_completion(%(request_id)s::uuid)"
RENEW_COMPLETION: Final[LiteralString] = """
select edge.renew_completion(%(request_id)s::uuid, make_interval(secs => %(lease)s))
"""
FINISH_COMPLETION: Final[LiteralString] = """
select edge.finish_completion(
    %(request_id)s::uuid, %(output)s::text, %(is_cut)s::boolean, %(tokens)s::jsonb, %(lost)s::integer,
    %(latency_ms)s::bigint
)
"""
FAIL_COMPLETION: Final[LiteralString] = """
select edge.fail_completion(
    %(request_id)s::uuid, %(reason)s::text, %(tokens)s::jsonb, %(lost)s::integer, %(is_declined)s::boolean,
    %(latency_ms)s::bigint
)
"""
