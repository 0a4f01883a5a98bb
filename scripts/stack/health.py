"""How one sees that a server works."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException

import psycopg

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no part in 127.0.0.1
TIMEOUT = 2  # seconds


def answers(url: str) -> bool:
    """Whether a GET of this URL is answered with 200."""
    try:
        with _direct.open(url, timeout=TIMEOUT) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):
        return False


def accepts_logins(database_url: str) -> bool:
    """Whether one can log in to this database."""
    try:
        psycopg.connect(database_url, connect_timeout=TIMEOUT).close()
    except psycopg.OperationalError:
        return False
    return True
