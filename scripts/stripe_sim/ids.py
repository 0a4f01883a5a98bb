"""Identifiers that look like Stripe's, and are the same for the same seed and number."""

from __future__ import annotations

import hashlib
import string

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHORT = {"cus", "prod", "sub_sched", "si", "prctbl"}
_LONG = {"cs_test": 58, "evt": 24, "req": 14, "seti": 24}


def make_id(seed: str, prefix: str, number: int) -> str:
    """`pi_3…`, `cus_…`: unique by number."""
    length = 14 if prefix in _SHORT else _LONG.get(prefix, 24)
    return f"{prefix}_{_text(f'{seed}:{prefix}:{number}', length)}"


def make_secret(seed: str, id_: str) -> str:
    """What follows `_secret_` in a client secret."""
    return f"{id_}_secret_{_text(f'{seed}:secret:{id_}', 25)}"


def _text(source: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha512(source.encode()).digest())
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)
