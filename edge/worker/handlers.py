"""Which kind of job is done by which Python function. Kinds whose work is SQL need no entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge.worker.job import Handler

HANDLERS: Final[Mapping[str, Handler]] = {}
