"""How long to wait before the next try."""

from __future__ import annotations

import random
from datetime import timedelta


def backoff(
    tries: int,
    *,
    first: timedelta = timedelta(seconds=1),
    most: timedelta = timedelta(minutes=5),
    chance: random.Random | None = None,
) -> timedelta:
    """Return twice as long after each try, up to `most`, less a random part of up to a half.

    The random part keeps those that failed together from coming back together.
    """
    full = min(first * int(2 ** min(max(tries, 1) - 1, 30)), most)
    return full * (1 - (chance or random).random() / 2)
