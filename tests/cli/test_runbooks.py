import json
from pathlib import Path

import pytest

from devops_agent.config.runbooks import shipped_folder
from devops_agent.store import incidents
from tests.cli.calling import Caller

FIXTURES = Path(__file__).parents[1] / "fixtures" / "alerts"
DOWN = {"labels": {"alertname": "ServiceDown", "service": "worker", "severity": "critical"}}
OWN = """\
name: own
says: Look, and restart it.
match: {kinds: [down], via: [process]}
steps:
  - {name: note, action: process.signal, args: {signal: "{labels.how}"}, optional: true}
"""


def alert_file(site: Caller, alert: object) -> str:
    file = site.folder / "alert.json"
    file.write_text(json.dumps(alert))
    return str(file)


def test_all_shipped_runbooks_are_listed(fresh: Caller) -> None:
    names = {file.stem for file in shipped_folder().glob("*.yaml")}
    assert {one["name"] for one in fresh.document("runbook", "list")} == names
    assert "service-down" in fresh.says("runbook", "list")


def test_a_runbook_is_shown_with_steps_and_advice(fresh: Caller) -> None:
    shown = fresh.says("runbook", "show", "service-down")
    assert "{via}.restart" in shown
    assert "If it does not help" in shown
    assert fresh.document("runbook", "show", "service-down")["match"]["kinds"] == ["down"]
    assert "nothing is done" in fresh.says("runbook", "show", "flapping")
    assert "known: bad-release" in fresh.refuses("runbook", "show", "magic", code=3)


def test_a_rehearsal_shows_real_steps_and_every_verdict_and_does_nothing(site: Caller) -> None:
    shown = site.says("runbook", "test", "service-down", "--alert", alert_file(site, DOWN))
    assert "process.restart()" in shown
    assert "would say allow" in shown
    assert "never_touch" in shown
    assert "nothing was executed" in shown
    assert site.rows(lambda rows: len(incidents.page(rows))) == 4


def test_a_rehearsal_as_a_document(site: Caller) -> None:
    told = site.document("runbook", "test", "service-down", "--alert", alert_file(site, DOWN))
    assert set(told) == {"runbook", "executed", "alerts"}
    (one,) = told["alerts"]
    assert one["target"] == "worker"
    assert one["kind"] == "down"
    assert one["decision"]["permission"] == "allow"
    assert {verdict["rule"] for verdict in one["decision"]["verdicts"]} >= {"mode", "paused", "opted_in", "storm"}


def test_a_rehearsal_is_decided_in_the_situation_of_this_moment(site: Caller) -> None:
    site.call("pause", "worker", "--reason", "migration")
    told = site.document("runbook", "test", "service-down", "--alert", alert_file(site, DOWN), code=1)
    assert told["alerts"][0]["decision"]["rule"] == "paused"


def test_a_rehearsal_needs_no_store(fresh: Caller) -> None:
    fresh.call("runbook", "test", "service-down", "--alert", alert_file(fresh, DOWN))
    assert not fresh.database.exists()


def test_a_rehearsal_takes_alertmanagers_and_grafanas_bodies_and_standard_input(site: Caller) -> None:
    for name in ("alertmanager_firing", "grafana_firing"):
        file = str(FIXTURES / f"{name}.json")
        told = site.document("runbook", "test", "service-down", "--alert", file, "--target", "worker")
        assert told["alerts"][0]["steps"]
    given = site.call("runbook", "test", "service-down", "--alert", "-", stdin=json.dumps(DOWN))
    assert "worker" in given.stdout


def test_a_runbook_that_would_not_be_chosen_says_which_would(site: Caller) -> None:
    shown = site.says("runbook", "test", "memory-pressure", "--alert", alert_file(site, DOWN))
    assert "does not fit this alert" in shown
    assert "service-down is for down" in shown


def test_a_runbook_that_only_tells_people_is_no_yes(site: Caller) -> None:
    shown = site.says("runbook", "test", "flapping", "--alert", alert_file(site, DOWN), code=1)
    assert "nothing is done; people are told" in shown


def test_an_own_runbook_is_tried_from_its_file(site: Caller) -> None:
    file = site.folder / "own.yaml"
    file.write_text(OWN)
    labelled = {"labels": {**DOWN["labels"], "how": "HUP"}}
    assert "signal=HUP" in site.says("runbook", "test", str(file), "--alert", alert_file(site, labelled))
    shown = site.says("runbook", "test", str(file), "--alert", alert_file(site, DOWN), code=1)
    assert "cannot become a plan" in shown


def test_a_wrong_runbook_is_refused_with_line_and_reason(site: Caller) -> None:
    file = site.folder / "own.yaml"
    file.write_text(OWN.replace("process.signal", "process.explode"))
    said = site.refuses("runbook", "test", str(file), "--alert", alert_file(site, DOWN), code=5)
    assert "own.yaml:5" in said
    assert "no action 'process.explode'" in said


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ("no json", 2, "as JSON"),
        ('{"alerts": []}', 2, "holds none"),
        ('{"labels": {"alertname": "X", "service": "stranger"}}', 3, "service='stranger' names none"),
        ('{"labels": {"alertname": "X"}}', 3, "--target"),
        ('{"colour": "red"}', 2, "it has no name"),
    ],
)
def test_alerts_that_cannot_be_used_are_told(site: Caller, content: str, code: int, says: str) -> None:
    file = site.folder / "alert.json"
    file.write_text(content)
    assert says in site.refuses("runbook", "test", "service-down", "--alert", str(file), code=code)


def test_a_file_that_is_not_there_is_not_found(site: Caller) -> None:
    assert "cannot read the alert" in site.refuses("runbook", "test", "service-down", "--alert", "nowhere", code=3)
