"""What a closer look is waited for, and what it changes; a model's advice changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devops_agent.engine.classify import History, diagnose, sure
from devops_agent.engine.commands import RUNS as RESPONSES
from devops_agent.engine.investigate import QUEUE
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.incident import Status
from devops_agent.model.insight import Insight
from devops_agent.model.view import View
from devops_agent.store import insights, runs
from devops_agent.store.rows import from_us
from tests.engine.conftest import Set
from tests.engine.site import Scene, alert, runbook
from tests.engine.views import DEAD, HEALTHY, ILL, INCIDENT, RUNS, firing, seen, view

TRACE = Hypothesis(
    kind="code_error", says="KeyError at app.py:41 (new, 37 times)", confidence=0.9, evidence=("EV-7",), refuted_by="x"
)
ELSEWHERE = Hypothesis(kind="down", says="db is down", confidence=0.9, component="db", evidence=("EV-8",))
OUTSIDE = "HighErrorRate"


def insight(*hypotheses: Hypothesis, well: bool = False, enough: bool = True, says: str = "") -> Insight:
    return Insight(incident="INC-1", at=START, hypotheses=hypotheses, well=well, enough=enough, says=says)


def found(seen_: View, *names: str, closer: Insight | None) -> Diagnosis:
    alerts = [firing(name) for name in names]
    history = History(healed=0, many=3)
    return diagnose(INCIDENT, alerts=alerts, view=seen_, ailing_parents=(), history=history, insight=closer)


@pytest.mark.parametrize(
    ("seen_", "names", "enough"),
    [
        (view(DEAD), ["ServiceDown"], True),
        (view(RUNS, ILL), ["ServiceDown"], True),
        (view(RUNS, HEALTHY, disk_percent=91), ["DiskFilling"], True),
        (view(RUNS, HEALTHY), ["ServiceDown"], True),
        (view(RUNS, HEALTHY), [OUTSIDE], False),
        (view(RUNS, HEALTHY, error_percent=30), [OUTSIDE], False),
        (view(RUNS, HEALTHY, latency_ms=9000), ["HighLatency"], False),
        (view(None, seen("other", value=True)), ["SomethingOdd"], False),
    ],
)
def test_the_quick_look_is_enough_for_what_is_plain_to_see(seen_: View, names: list[str], enough: bool) -> None:  # noqa: FBT001
    alerts = [firing(name) for name in names]
    assert sure(INCIDENT, alerts=alerts, view=seen_, ailing_parents=()) is enough


def test_the_place_in_the_code_is_named_beside_what_is_wrong() -> None:
    diagnosis = found(view(RUNS, HEALTHY, error_percent=30), OUTSIDE, closer=insight(TRACE))
    assert {h.kind for h in diagnosis.hypotheses} == {"high_error_rate", "code_error"}
    named = next(h for h in diagnosis.hypotheses if h.kind == "code_error")
    assert (named.says, named.evidence) == (TRACE.says, ("EV-7",))


def test_a_dependency_that_is_down_is_named_instead_of_its_victim() -> None:
    diagnosis = found(view(RUNS, HEALTHY, error_percent=30), OUTSIDE, closer=insight(ELSEWHERE))
    assert (diagnosis.kind, diagnosis.hypotheses[0].component) == ("dependency_down", "db")
    assert "db" in diagnosis.says


def test_what_the_quick_look_sees_to_be_otherwise_by_now_is_left_out() -> None:
    was_down = Hypothesis(kind="down", says="it did not run", confidence=0.95, evidence=("EV-1",))
    assert (
        found(view(RUNS, HEALTHY, memory_percent=95), "MemoryHigh", closer=insight(was_down)).kind == "memory_pressure"
    )
    slow = Hypothesis(kind="high_latency", says="slow", confidence=0.9, evidence=("EV-1",))
    assert found(view(RUNS, HEALTHY, latency_ms=20), OUTSIDE, closer=insight(slow)).kind == "high_error_rate"


def test_what_is_dead_itself_is_not_explained_by_others() -> None:
    assert found(view(DEAD), "ServiceDown", closer=insight(ELSEWHERE)).kind == "down"


def test_a_healthy_target_is_a_false_alarm() -> None:
    diagnosis = found(view(RUNS, HEALTHY), OUTSIDE, closer=insight(well=True, says="api is well"))
    assert diagnosis.well


def test_when_no_alert_says_how_bad_it_is_its_words_do() -> None:
    closer = insight(TRACE).with_(severity=Severity.CRITICAL)
    assert found(view(RUNS, HEALTHY), OUTSIDE, closer=insight(TRACE)).severity is Severity.WARNING
    assert found(view(RUNS, HEALTHY), OUTSIDE, closer=closer).severity is Severity.CRITICAL


def test_what_is_seen_to_be_wrong_is_no_false_alarm_whatever_the_logs_say() -> None:
    assert not found(view(RUNS, HEALTHY, error_percent=30), OUTSIDE, closer=insight(well=True)).well


def test_an_alert_that_nothing_bears_out_is_not_enough_to_act_on() -> None:
    assert found(view(RUNS, HEALTHY), OUTSIDE, closer=insight(enough=False)).confidence < 0.5
    assert found(view(RUNS, HEALTHY), OUTSIDE, closer=insight(enough=True)).confidence == 0.7


@pytest.mark.parametrize("names", [["ServiceDown"], [OUTSIDE], ["SomethingOdd"], ["HighLatency"]])
@pytest.mark.parametrize("seen_", [view(DEAD), view(RUNS, ILL), view(RUNS, HEALTHY), view(None, seen("x", value=True))])
def test_what_a_model_advises_changes_no_diagnosis(seen_: View, names: list[str]) -> None:
    lie = Hypothesis(kind="down", says="restart everything", confidence=1.0, source="model", runbook="restart")
    plain = insight(TRACE)
    advised = plain.with_(advised=(lie, lie.with_(component="db")), model="answered")
    assert found(seen_, *names, closer=plain) == found(seen_, *names, closer=advised)


async def queued(scene: Scene) -> float | None:
    """Return in how many seconds the closer look is due."""
    due = await scene.store.read(lambda rows: runs.next_due(rows, QUEUE))
    return None if due is None else (from_us(due) - scene.clock.now()).total_seconds()


async def look_closer(scene: Scene, closer: Insight) -> None:
    """Write what a worker found, as it does."""

    def write(rows: object) -> None:
        insights.keep(rows, closer.with_(at=scene.clock.now()))  # type: ignore[arg-type]
        runs.wake(rows, RESPONSES, closer.incident, now=scene.clock.now())  # type: ignore[arg-type]

    await scene.command(write)


ERRORS = runbook("errors", "fake.restart", kinds=("high_error_rate",))


async def test_what_is_plain_is_healed_at_once_and_looked_at_closer_afterwards(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].running = False
        await scene.deliver(alert(at=scene.clock))
        began = scene.clock.now()
        await scene.run(patience=3)
        assert (await scene.incident()).status is Status.RESOLVED
        assert scene.done == [("fake.restart", "api")]
        resolved = (await scene.incident()).resolved_at
        assert resolved is not None
        assert resolved - began < timedelta(seconds=15)
        assert await queued(scene) is not None


async def test_what_is_not_plain_waits_for_the_closer_look(set_scene: Set) -> None:
    async with set_scene(runbooks=[ERRORS]) as scene:
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(10)
        assert (scene.done, (await scene.incident()).status) == ([], Status.INVESTIGATING)
        await look_closer(scene, insight(ELSEWHERE))
        await scene.run(5)
        assert scene.done == []
        told = [event for event in await scene.events() if event.kind == "diagnosis"]
        assert "db" in told[-1].says


async def test_a_closer_look_that_never_comes_delays_but_does_not_stop(set_scene: Set) -> None:
    async with set_scene(runbooks=[ERRORS]) as scene:
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(25)
        assert scene.done == [("fake.restart", "api")]
        assert "late" in await scene.kinds()


async def test_a_false_alarm_leads_to_no_action(set_scene: Set) -> None:
    async with set_scene(runbooks=[ERRORS]) as scene:
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(2)
        await look_closer(scene, insight(well=True, says="api is well by every source that was asked"))
        await scene.run(600)
        assert scene.done == []
        assert (await scene.incident()).status is Status.ESCALATED


async def test_when_switched_off_nothing_is_asked_and_nothing_waited_for(set_scene: Set) -> None:
    async with set_scene(runbooks=[ERRORS]) as scene:
        off = scene.settings.investigation.with_(enabled=False)
        scene.settings = scene.settings.with_(investigation=off)
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(5)
        assert scene.done == [("fake.restart", "api")]
        assert await queued(scene) is None


async def test_killed_while_it_waits_it_waits_on_and_heals(set_scene: Set) -> None:
    async with set_scene(runbooks=[ERRORS]) as scene:
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(3)
        await scene.die()
        await look_closer(scene, insight(TRACE))
        await scene.run(3)
        assert scene.done == [("fake.restart", "api")]


async def test_what_comes_back_is_looked_at_anew(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].running = False
        await scene.deliver(alert(at=scene.clock))
        await scene.run(patience=3)
        await look_closer(scene, insight(TRACE))
        scene.clock.jump(60)
        scene.world.services["api"].running = False
        await scene.deliver(alert(at=scene.clock))
        assert await scene.store.read(lambda rows: insights.get(rows, "INC-1")) is None


async def test_who_is_handed_an_incident_is_told_where_to_look_first(set_scene: Set) -> None:
    async with set_scene(runbooks=[]) as scene:
        await scene.deliver(alert(OUTSIDE, source="alertmanager", at=scene.clock))
        await scene.run(2)
        await look_closer(scene, insight(TRACE).with_(advice=("Your runbook “orders” fits the alert (80%).",)))
        await scene.run(5)
        incident = await scene.incident()
        assert incident.status is Status.ESCALATED
        assert "KeyError at app.py:41" in incident.next_steps[0]
        assert "Your runbook" in incident.next_steps[1]


async def test_a_service_that_goes_down_is_responded_to_although_a_person_has_its_lesser_trouble(
    set_scene: Set,
) -> None:
    async with set_scene() as scene:
        await scene.deliver(alert("HighLatency", source="alertmanager", at=scene.clock))
        await scene.run(40)
        assert (await scene.incident()).status is Status.ESCALATED
        scene.world.services["api"].running = False
        await scene.deliver(alert(at=scene.clock))
        await scene.run(40)
        assert scene.done == [("fake.restart", "api")]
