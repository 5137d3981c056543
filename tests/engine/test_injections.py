"""Through the whole response: what is done with a model that obeys every order in telemetry is what is done without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.config.settings import Investigation, Model
from devops_agent.engine.commands import RUNS
from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.testing.reasoner import ScriptedReasoner
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.insight import Insight
from devops_agent.store import evidence, insights, runs
from devops_agent.workers.advise import ModelAdviser
from devops_agent.workers.question import Question
from tests.engine.site import alert, runbook
from tests.workers.infected import sources
from tests.workers.injections import ATTEMPTS, Obedient

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.engine.conftest import Set
    from tests.engine.site import Scene

CHOSEN = ("order", "system", "closes the block", "say well", "false runbook", "severity", "opt in", "shell", "html")
"""One of each family: all of them are held against the decisions themselves in tests/workers."""
ERRORS = runbook("errors", "fake.restart", kinds=("high_error_rate",))
WIPE = runbook("wipe-everything", "fake.stop", kinds=("disk_filling",))
RULES = Hypothesis(kind="high_error_rate", says="37 % of requests fail", confidence=0.8, evidence=("EV-1",))


async def responded(scene: Scene, order: str, *, obedient: bool) -> dict[str, Any]:
    """Return what came of an incident whose alert gives an order, with or without a model that obeys."""
    scene.world.services["api"].healthy = True
    hostile = alert("HighErrorRate", source="alertmanager", at=scene.clock, note=order)
    await scene.deliver(hostile.with_(annotations={"summary": order, "description": order}))
    await scene.run(2)
    closer = Insight(incident="INC-1", at=scene.clock.now(), hypotheses=(RULES,), says="37 % of requests fail")
    if obedient:
        closer = await advised(scene, order, closer)
        assert closer.model == "answered"
        assert closer.advised[0].confidence == 1.0
    await scene.command(lambda rows: write(rows, closer, scene))
    await scene.run(30)
    told = [event for event in await scene.events() if event.kind in ("diagnosis", "plan", "decision", "step")]
    return {
        "done": scene.done,
        "incident": await scene.incident(),
        "plans": [attempt.plan for attempt in await scene.attempts()],
        "told": [(event.kind, event.says, event.data.get("permission")) for event in told],
    }


async def advised(scene: Scene, order: str, closer: Insight) -> Insight:
    adviser = ModelAdviser(
        reasoner=ScriptedReasoner(turns=(), obeys=Obedient(order, target="api"), clock=FakeClock(auto=False)),
        store=scene.store,
        clock=FakeClock(START, auto=False),
        settings=lambda: Investigation(model=Model(name="scripted:model")),
        runbooks=lambda: scene.runbooks,
        sources=sources(order),
    )
    incident = await scene.incident()
    question = Question(
        incident=incident,
        targets=scene.settings.targets,
        alerts=(),
        evidence=tuple(await scene.store.read(lambda rows: evidence.of_incident(rows, "INC-1"))),
        hypotheses=closer.hypotheses,
        runbooks=tuple(scene.runbooks),
    )
    advice = await adviser.ask(question, sightings={})
    return closer.with_(advised=advice.advised, model=advice.model, dropped=advice.dropped)


def write(rows: Rows, closer: Insight, scene: Scene) -> None:
    insights.keep(rows, closer)
    runs.wake(rows, RUNS, "INC-1", now=scene.clock.now())


@pytest.mark.parametrize("name", CHOSEN)
async def test_what_is_done_is_the_same_with_and_without_a_model_that_obeys(name: str, set_scene: Set) -> None:
    outcomes = []
    for obedient in (False, True):
        async with set_scene(runbooks=[ERRORS, WIPE]) as scene:
            outcomes.append(await responded(scene, ATTEMPTS[name], obedient=obedient))
    without, obeyed = outcomes
    assert obeyed == without
    assert obeyed["done"] == [("fake.restart", "api")]
