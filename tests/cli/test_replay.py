"""Past decisions made again, and recorded alerts taken through today's rules, by command."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.cli import recording
from devops_agent.cli.call import Trouble
from devops_agent.engine import judge
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import to_json
from devops_agent.model.judgement import Judgement
from devops_agent.store.rows import Rows
from tests.cli.calling import Caller
from tests.engine.situations import CALM, strike

NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(hours=2)


def body(name: str = "ServiceDown", service: str = "checkout", *, minutes: float = 0, ended: bool = False) -> str:
    """Return what Alertmanager posts about one alert."""
    begin = BEGAN + timedelta(minutes=minutes)
    alert = {
        "status": "resolved" if ended else "firing",
        "labels": {"alertname": name, "service": service, "severity": "critical"},
        "annotations": {"summary": f"{name} on {service}"},
        "startsAt": begin.isoformat(),
        "endsAt": (begin + timedelta(minutes=5)).isoformat() if ended else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{name}-{service}",
    }
    whole = {"version": "4", "groupKey": "{}", "status": alert["status"], "receiver": "x", "alerts": [alert]}
    return json.dumps({**whole, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": ""})


def file(caller: Caller, *lines: str) -> str:
    path = caller.folder / "recorded.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def decide(rows: Rows, **changes: object) -> None:
    situation = CALM.with_(target="worker", **changes)
    judge.judge(rows, judge.DECIDE, situation, incident="INC-1", now=NOW, version="1")


def test_recorded_alerts_are_told_with_the_incident_diagnosis_plan_and_what_the_guard_would_say(fresh: Caller) -> None:
    said = fresh.says("replay", file(fresh, body(service="worker"), body("HighLatency", "db")))
    assert "INC-1  worker  ServiceDown on worker" in said
    assert "diagnosis: down, 70% sure" in said
    assert "process.restart" in said
    assert "the guard would say allow" in said
    assert "INC-2  db" in said
    assert said.rstrip().endswith("nothing was executed")


def test_the_same_file_gives_the_same_answer(fresh: Caller) -> None:
    recorded = file(fresh, body(service="worker"), body(service="worker", ended=True), body(minutes=30))
    assert fresh.says("replay", recorded) == fresh.says("replay", recorded)
    assert fresh.document("replay", recorded) == fresh.document("replay", recorded)


def test_trouble_that_a_dependency_explains_opens_no_incident_of_its_own(fresh: Caller) -> None:
    told = fresh.document("replay", file(fresh, body(service="db"), body(service="checkout", minutes=1)))
    assert [one["incident"]["target"] for one in told["incidents"]] == ["db"]
    assert told["executed"] is False


def test_recorded_evidence_is_what_the_target_looked_like(fresh: Caller) -> None:
    piece = Evidence(source="process", name="memory_percent", value=95.0, at=BEGAN + timedelta(minutes=1))
    lines = [body("SomethingOdd", "worker"), recording.written_evidence("worker", piece)]
    (would,) = fresh.document("replay", file(fresh, *lines))["incidents"]
    assert would["diagnosis"]["hypotheses"][0]["kind"] == "memory_pressure"


def test_decisions_are_made_again_the_same_and_a_lower_limit_shows_what_would_be_different(site: Caller) -> None:
    site.rows(lambda rows: decide(rows, started_last_hour=4))
    said = site.says("replay")
    assert "1 decisions about 1 incidents: 1 are made again the same" in said
    assert "nothing would be decided differently" in said
    with site.config.open("a") as config:
        config.write("guard: {actions_per_hour: 3}\n")
    said = site.says("replay", "INC-1")
    assert "1 would be decided differently" in said
    assert "deny by rate_limit: 4 of 3 plans in the last hour" in said


def test_a_decision_that_todays_code_makes_otherwise_is_told_by_the_exit_code(site: Caller) -> None:
    def alter(rows: Rows) -> None:
        decide(rows)
        rows.run("UPDATE judgements SET result_json = replace(result_json, '\"allow\"', '\"deny\"')")

    site.rows(alter)
    told = site.document("replay", code=1)
    assert (told["same"], len(told["changed"])) == (0, 1)


def test_what_is_exported_is_replayed_elsewhere_to_the_same(site: Caller) -> None:
    site.rows(decide)
    target = site.folder / "out.jsonl"
    note = site.call("replay", "--since", "1h", "--export", str(target)).stderr
    assert note == f"wrote 1 decisions about 1 incidents to {target}\n"
    told = site.document("replay", str(target))
    assert (told["decisions"]["decisions"], told["decisions"]["same"]) == (1, 1)
    assert [one["incident"]["target"] for one in told["incidents"]] == ["checkout"]


def test_nothing_kept_and_no_such_incident_are_said(site: Caller) -> None:
    assert site.says("replay") == "no decision is kept of that time\n"
    assert site.says("replay", "INC-2") == "no decision is kept of INC-2\n"
    assert "no incident 'INC-99'" in site.refuses("replay", "INC-99", code=3)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{"], "cannot read it: the file is no JSON"),
        ([body(), "{]"], "cannot read it: line 2 is no JSON"),
        ([body(), '{"judgement": {"step": "decide"}}'], "cannot read line 2: Object missing required field"),
        ([body(), '{"evidence": 3, "target": "api"}'], "cannot read line 2: Expected `object`"),
        ([body(), '{"alert": {}}'], "cannot read line 2: Object missing required field"),
        ([body(), '"text"'], "cannot read line 2: "),
        (["[]"], "cannot"),
        (["[" * 100_000], "cannot read it: the file is no JSON"),
        ([body(), "[" * 100_000], "cannot read it: line 2 is no JSON"),
        ([body(), f'{{"judgement": {"[" * 800}{"]" * 800}}}'], "cannot read"),
    ],
)
def test_a_file_that_is_none_is_told_with_the_line_and_what_to_write(
    fresh: Caller, lines: list[str], says: str
) -> None:
    error = fresh.refuses("replay", file(fresh, *lines), code=2)
    assert says in error


def test_a_decision_with_times_beyond_all_calendars_is_told_as_one_that_cannot_be_made_again(fresh: Caller) -> None:
    limits = CALM.limits.with_(cooldown=timedelta(days=999_999_999))
    situation = CALM.with_(limits=limits, trials=(strike(5),))
    kept = Judgement(
        incident="INC-1", at=NOW, step="decide", inputs_json=to_json(situation),
        result_json=to_json(judge.DECIDE.decide(CALM)), version="1",
    )  # fmt: skip
    said = fresh.call("replay", file(fresh, recording.written(kept)), code=1).stdout
    assert "cannot be made again" in said


def test_a_file_that_is_not_there_is_told(fresh: Caller) -> None:
    assert "cannot read nowhere.json: No such file" in fresh.refuses("replay", "nowhere.json", code=3)


@given(content=st.binary() | st.text().map(lambda text: json.dumps(text).encode()) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["alerts", "labels", "judgement", "evidence", "alert", "target"]), inner),
    max_leaves=8,
).map(lambda tree: json.dumps(tree).encode()))  # fmt: skip
def test_any_file_is_read_or_refused_in_a_sentence(content: bytes) -> None:
    with suppress(Trouble):
        recording.read(content)
