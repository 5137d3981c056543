"""How hard tests search: whole in `make test`, a sample in `make check`."""

import os
from collections.abc import Iterable

import pytest

_QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"


def examples(wanted: int) -> int:
    """Return how many examples a property is tried with: a fifth, but some, in `make check`."""
    return max(wanted // 5, min(wanted, 5)) if _QUICK else wanted


def sampled(values: Iterable[object], *, every: int) -> list[object]:
    """Return parameters of which only every so-manieth is quick enough for `make check`."""
    return [
        value if number % every == 0 else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]
