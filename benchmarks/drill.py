"""All faults of the demo service, and as many rounds without one: what the agent noticed, healed, and did in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from benchmarks.table import Row
from devops_agent.drill.drills import measure as drill


def measure(*, quick: bool) -> list[Row]:
    """Return times to detect, act and mitigate, the share healed, and false actions."""
    if quick:
        return [_row(one) for one in asyncio.run(drill(faults=["crash"], rounds=1, controls=1))]
    return [_row(one) for one in asyncio.run(drill(rounds=10))]


def _row(told: Mapping[str, Any]) -> Row:
    sign, _, limit = (told["budget"] or "").partition(" ")
    return Row(
        what=told["what"],
        value=told["value"],
        unit=told["unit"],
        below=float(limit) if sign == "<" else None,
        above=float(limit) if sign == ">" else None,
        failed=told["ok"] is False,
    )
