"""All SQL that the worker runs: one function of schema edge each."""

from __future__ import annotations

from typing import Final, LiteralString

CLAIM: Final[LiteralString] = """
select coalesce(jsonb_agg(jsonb_build_object(
    'id', j.id, 'lease', j.lease, 'kind', j.kind, 'handler', j.handler, 'payload', j.payload::text,
    'attempt', j.attempt, 'idempotency_key', j.idempotency_key, 'lease_seconds', j.lease_seconds
)), '[]') from edge.claim_jobs(%(worker)s, %(batch)s) as j
"""
"""Payloads as text, so that one which Python cannot read is the failure of its job, not of the claim."""

RUN: Final[LiteralString] = "select edge.run_job(%(id)s, %(lease)s)"
COMPLETE: Final[LiteralString] = """
select edge.complete_jobs(%(ids)s::bigint[], %(leases)s::bigint[], %(results)s::jsonb[])
"""
FAIL: Final[LiteralString] = "select edge.fail_job(%(id)s, %(lease)s, %(error)s)"
RETRY_LATER: Final[LiteralString] = "select edge.retry_later(%(id)s, %(lease)s, %(reason)s, %(delay)s)"
HEARTBEAT: Final[LiteralString] = "select edge.heartbeat(%(ids)s::bigint[], %(leases)s::bigint[])"
RELEASE: Final[LiteralString] = "select edge.release_jobs(%(ids)s::bigint[], %(leases)s::bigint[])"
REAP: Final[LiteralString] = "select edge.reap()"
HEALTH: Final[LiteralString] = "select edge.queue_health()"

SCHEDULES: Final[LiteralString] = "select coalesce(jsonb_agg(to_jsonb(s)), '[]') from edge.schedules() as s"
PLAN_SCHEDULE: Final[LiteralString] = "select edge.plan_schedule(%(name)s, %(next_slot)s)"
FIRE_SCHEDULE: Final[LiteralString] = "select edge.fire_schedule(%(name)s, %(slot)s)"

START_EMAIL: Final[LiteralString] = "select edge.start_email(%(id)s, %(lease)s, %(domain)s)"
FINISH_EMAIL: Final[LiteralString] = "select edge.finish_email(%(id)s, %(lease)s)"
BOUNCE_EMAIL: Final[LiteralString] = """
select edge.bounce_email(%(id)s, %(lease)s, %(reason)s, %(address_is_dead)s)
"""

START_REFETCH: Final[LiteralString] = "select edge.start_refetch(%(id)s, %(lease)s)"
FINISH_REFETCH: Final[LiteralString] = """
select edge.finish_refetch(%(id)s, %(lease)s, %(ticket)s, %(objects)s::jsonb)
"""
START_REFUND: Final[LiteralString] = "select edge.start_refund(%(id)s, %(lease)s)"
FINISH_REFUND: Final[LiteralString] = """
select edge.finish_refund(%(id)s, %(lease)s, %(refund)s::jsonb, %(error)s::text)
"""
START_CANCELLATION: Final[LiteralString] = "select edge.start_cancellation(%(id)s, %(lease)s)"
FINISH_CANCELLATION: Final[LiteralString] = """
select edge.finish_cancellation(%(id)s, %(lease)s, %(subscription)s::jsonb)
"""
START_EXPIRY: Final[LiteralString] = "select edge.start_expiry(%(id)s, %(lease)s)"
FINISH_EXPIRY: Final[LiteralString] = "select edge.finish_expiry(%(id)s, %(lease)s, %(session)s::jsonb)"
START_RECONCILIATION: Final[LiteralString] = "select edge.start_reconciliation(%(id)s, %(lease)s)"
RECONCILE_PAGE: Final[LiteralString] = """
select edge.reconcile_page(%(id)s, %(lease)s, %(objects)s::jsonb, %(has_more)s)
"""
