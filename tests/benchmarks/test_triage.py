"""The triage benchmark splits and hides as it says; its figures are not asserted."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.triage import Rule, Scored, families, hidden, measure
from devops_agent.model.alert import Severity

NAMES = ("Kube{}Down", "Disk{}Full", "Queue{}Long", "Cert{}Expires")


def rule(mixin: str, name: str) -> Rule:
    return Rule(mixin=mixin, name=name, summary="", description="", expr="", severity=Severity.WARNING)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Rules of twelve mixins, and a runbook for each rule but the first mixin's."""
    names = [(f"mixin{at}", name.format("ABCDEFGHIJKL"[at])) for at in range(12) for name in NAMES]
    rules = [
        {
            "mixin": mixin,
            "alert": name,
            "annotations": {"summary": f"{name}: trouble of {mixin} {{{{ $labels.pod }}}}"},
            "expr": f'{name.lower()}_total{{job="a"}} > 0',
            "labels": {"severity": ("critical", "warning", "info")[at % 3]},
        }
        for at, (mixin, name) in enumerate(names)
    ]
    runbooks = [
        {"alert": name, "sections": {name: "", "Meaning": f"{mixin} is in trouble"}} for mixin, name in names[4:]
    ]
    for path, lines in (("alert-rules/monitoring-mixins.jsonl", rules), ("runbooks/runbooks.jsonl", runbooks)):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_every_figure_is_a_share_or_a_time_and_the_peer_stands_beside_ours(data: Path) -> None:
    rows = measure(quick=True, data=data)
    assert all(0 <= row.value <= 1 for row in rows if not row.unit)
    budgets = {row.what.partition(" (")[0]: row for row in rows if row.budget}
    assert set(budgets) == {
        *(f"severity, {split} unseen: {figure}" for split in ("services", "rules") for figure in ("accuracy", "ECE")),
        *(f"runbook, name hidden{what}: top-1" for what in ("", ", with the expression")),
    }
    assert all(row.peer_value is not None for row in budgets.values())


@pytest.mark.parametrize("written", ["KubeAPIDown", "kube_api_down", "kubeapidown", "Kube API down", "KUBE-API-DOWN"])
def test_a_name_is_hidden_however_it_is_written(written: str) -> None:
    assert hidden(f"when {written} fires", "KubeAPIDown").split() == ["when", "fires"]


def test_mixins_that_share_an_alert_are_never_split() -> None:
    rules = [rule("a", "One"), rule("b", "Two"), rule("b", "One"), rule("c", "Two"), rule("d", "Three")]
    found = families(rules)
    assert len(set(found[:4])) == 1
    assert found[4] == "d"


def test_calibration_error_is_the_gap_between_chance_and_hits() -> None:
    chances = np.array([[0.8, 0.1, 0.1]] * 10)
    assert Scored(chances=chances, truth=np.array([0] * 8 + [1] * 2)).ece == pytest.approx(0)
    worse = Scored(chances=chances, truth=np.array([0] * 5 + [1] * 5))
    assert worse.ece == pytest.approx(0.3)
    assert worse.accuracy == 0.5
    assert worse.macro_f1 == pytest.approx((2 * 5 / 15) / 3)
