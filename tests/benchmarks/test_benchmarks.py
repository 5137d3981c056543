"""Benchmarks print one table, or one JSON object, in a form that others can read; what they measure is not asserted."""

import json
import os
import sys
from types import ModuleType

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.client import body
from benchmarks.table import Row, as_json, as_text, share
from benchmarks.usage import cpu_seconds, pss, rss

FIELDS = {"what", "value", "unit", "budget", "ok", "peer", "peer_value", "ratio"}
ROWS = [
    Row(what="memory", value=42.25, unit="MB", below=50),
    Row(what="alerts", value=20_000, unit="alerts/s", above=30_000, peer="another", peer_value=10_000),
    Row(what="time", value=0.5, unit="s", below=1, failed=True),
    Row(what="count", value=3, unit=""),
]


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        module = ModuleType(f"benchmarks.{name}")
        module.measure = lambda *, quick: ROWS if quick else ROWS[:1]  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)


def test_json_is_one_object_with_the_machine_and_all_fields_of_each_row() -> None:
    told = json.loads(as_json("example", ROWS))
    assert set(told) == {"benchmark", "machine", "rows"}
    assert "core" in told["machine"]
    assert "Python" in told["machine"]
    assert all(set(row) == FIELDS for row in told["rows"])
    assert [row["ok"] for row in told["rows"]] == [True, False, False, None]
    assert [row["budget"] for row in told["rows"]] == ["< 50", "> 30,000", "< 1", None]
    assert told["rows"][1]["ratio"] == 2


def test_a_table_has_a_line_for_each_row_and_marks_what_breaks_its_budget() -> None:
    head, *lines = as_text("example", ROWS).splitlines()[2:]
    assert head.split()[0] == "what"
    assert len(lines) == len(ROWS)
    assert [" NO" in line for line in lines] == [False, True, True, False]


@pytest.mark.usefixtures("canned")
def test_all_runs_every_benchmark_and_fails_when_a_budget_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--json"]) == 0
    assert [json.loads(line)["benchmark"] for line in capsys.readouterr().out.splitlines()] == list(NAMES)
    assert main(["startup", "--quick"]) == 1
    assert capsys.readouterr().out.startswith("startup on ")


def test_an_unknown_name_is_refused_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    said = capsys.readouterr().err
    assert all(name in said for name in NAMES)


def test_a_share_is_a_value_that_was_measured() -> None:
    assert share([3, 1, 2], 0.5) == 2
    assert share([3, 1, 2], 0.99) == 3
    assert share([], 0.5) == 0


def test_the_kernel_tells_what_a_process_uses() -> None:
    ours = os.getpid()
    assert rss(ours) >= pss(ours) > 1
    assert cpu_seconds(ours) > 0


def test_posted_alerts_are_of_the_kinds_that_were_asked_for_and_never_twice_the_same() -> None:
    alerts = [
        a for n in range(4) for a in json.loads(body(n, size=50, kinds=7, start="2026-01-01T00:00:00Z"))["alerts"]
    ]
    assert len({alert["fingerprint"] for alert in alerts}) == 200
    assert len({alert["labels"]["alertname"] for alert in alerts}) == 7


@pytest.mark.real
def test_a_short_run_starts_the_product_and_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    main(["startup", "--quick", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["benchmark"] == "startup"
    assert all(row["value"] > 0 for row in told["rows"])
