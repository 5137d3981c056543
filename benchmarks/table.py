"""One table for each benchmark: what was measured, the budget it has to keep, and a peer measured in the same run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.machine import describe

_HEAD = ("what", "value", "unit", "budget", "ok", "peer", "its value", "ratio")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure."""

    what: str
    value: float
    unit: str
    below: float | None = None
    """The budget, when less is better."""
    above: float | None = None
    """The budget, when more is better."""
    peer: str = ""
    peer_value: float | None = None
    """Measured in the same run, in the same unit."""
    failed: bool = False
    """Whether the budget is broken whatever the value: nobody waited for the true one."""

    @property
    def budget(self) -> str:
        """The budget in words; empty when there is none."""
        if self.below is not None:
            return f"< {_short(self.below)}"
        return f"> {_short(self.above)}" if self.above is not None else ""

    @property
    def ok(self) -> bool | None:
        """Whether the budget is kept; None when there is none."""
        if self.below is not None:
            return self.value < self.below and not self.failed
        return self.value > self.above and not self.failed if self.above is not None else None

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the peer's."""
        return self.value / self.peer_value if self.peer_value else None


def as_object(benchmark: str, rows: Iterable[Row]) -> dict[str, object]:
    """Return a benchmark's result as what `--json` prints."""
    return {
        "benchmark": benchmark,
        "machine": describe(),
        "rows": [
            {
                "what": row.what,
                "value": _rounded(row.value),
                "unit": row.unit,
                "budget": row.budget or None,
                "ok": row.ok,
                "peer": row.peer or None,
                "peer_value": _rounded(row.peer_value),
                "ratio": _rounded(row.ratio),
            }
            for row in rows
        ],
    }


def as_json(benchmark: str, rows: Iterable[Row]) -> str:
    """Return a benchmark's result as one line of JSON."""
    return json.dumps(as_object(benchmark, rows), ensure_ascii=False)


def as_text(benchmark: str, rows: Iterable[Row]) -> str:
    """Return a benchmark's result as a table for people."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    told = "\n".join(_line(line, widths) for line in lines)
    return f"{benchmark} on {describe()}\n\n{told}\n"


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` (0 to 1) of the values are; 0 without any."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def _cells(row: Row) -> tuple[str, ...]:
    ok = {True: "yes", False: "NO", None: ""}[row.ok]
    return (
        *(row.what, _short(row.value), row.unit, row.budget, ok, row.peer),
        *("" if value is None else _short(value) for value in (row.peer_value, row.ratio)),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = (0, 2, 5)
    return "  ".join(
        cell.ljust(width) if column in words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
