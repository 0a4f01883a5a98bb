"""How large a run is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    rounds: int
    operations: int
    """Per client and round."""
    clients: int
    rows: int
    """In each table before it starts."""
