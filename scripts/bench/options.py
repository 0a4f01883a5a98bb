"""How large a run is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    rounds: int
    operations: int
    """Per client and round."""
    clients: int
    rows: int
    """In each table before it starts."""
    peer: Path | None = None
    """SQL of another implementation to compare with."""
