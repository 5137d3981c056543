"""Bodies as real senders post them."""

from datetime import UTC, datetime
from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_FOLDER = Path(__file__).parent.parent / "fixtures" / "alerts"


def sample(name: str) -> bytes:
    """Return a recorded body."""
    return (_FOLDER / f"{name}.json").read_bytes()
