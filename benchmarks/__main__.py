"""Runs benchmarks: `python -m benchmarks NAME [--data DIR] [--json] [--quick]`; exit status 1: a budget is not kept."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table import as_json, as_text

NAMES = ("startup", "footprint", "recovery", "intake", "dashboard", "drill", "notify")
ON_DATA = ("diagnosis", "anomaly", "triage", "logs", "calibration")
"""Measured on recorded data; with what part of it, each says itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*NAMES, *ON_DATA, "all"], help="what to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each benchmark")
    parser.add_argument(
        "--quick", action="store_true", help="a short run, to see that it works; the figures mean little"
    )
    parser.add_argument("--data", type=Path, help=f"folder with recorded data; {', '.join(ON_DATA)} read it")
    given = parser.parse_args(argv)
    if given.name in ON_DATA and given.data is None:
        parser.error(f"{given.name} needs recorded data: --data DIR")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data: no folder {given.data}")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the agent starts its workers
    kept = True
    with_data = ON_DATA if given.data is not None else ()
    for name in (*NAMES, *with_data) if given.name == "all" else (given.name,):
        measure = importlib.import_module(f"benchmarks.{name}").measure
        rows = measure(quick=given.quick, data=given.data) if name in ON_DATA else measure(quick=given.quick)
        kept = kept and all(row.ok is not False for row in rows)
        print((as_json if given.json else as_text)(name, rows), flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
