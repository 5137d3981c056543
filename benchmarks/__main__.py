"""Runs benchmarks: `python -m benchmarks NAME [--json] [--quick]`; the exit status is 1 when a budget is not kept."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from benchmarks.table import as_json, as_text

NAMES = ("startup", "footprint", "recovery", "intake", "drill")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*NAMES, "all"], help="what to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each benchmark")
    parser.add_argument(
        "--quick", action="store_true", help="a short run, to see that it works; the figures mean little"
    )
    given = parser.parse_args(argv)
    kept = True
    for name in NAMES if given.name == "all" else (given.name,):
        rows = importlib.import_module(f"benchmarks.{name}").measure(quick=given.quick)
        kept = kept and all(row.ok is not False for row in rows)
        print((as_json if given.json else as_text)(name, rows), flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
