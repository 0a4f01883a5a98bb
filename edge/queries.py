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
ME: Final[LiteralString] = "select edge.me()"
UNSUBSCRIBE: Final[LiteralString] = "select edge.unsubscribe(%(token)s)"
