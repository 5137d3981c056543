"""A closer look with a model beside it: the same, and advice; without its help the same, and the reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Investigation, Model
from devops_agent.kit.testing import START, Killed, ScriptedReasoner, Turn
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import spending
from devops_agent.workers.advise import ModelAdviser
from devops_agent.workers.gather import Sources
from tests.workers.advising import claim, claims
from tests.workers.investigating import TRACE, Desk, desk

if TYPE_CHECKING:
    from pathlib import Path

    from devops_agent.model.insight import Insight

ROLL_BACK = Runbook(name="bad-release", says="Roll it back.", match=Match(kinds=("bad_release",)))


def adviser(here: Desk, *turns: Turn) -> ScriptedReasoner:
    """Give the desk a model that does this."""
    model = ScriptedReasoner(turns=turns)
    here.adviser = ModelAdviser(
        reasoner=model,
        store=here.store,
        clock=here.clock,
        settings=lambda: Investigation(model=Model(name="scripted:model")),
        runbooks=lambda: [ROLL_BACK],
        sources=Sources(logs=(("fake", here.logs),)),
    )
    return model


async def burst(here: Desk) -> None:
    """Let `api` fail with a traceback, again and again, and open the incident."""
    for number in range(30):
        at = START - timedelta(minutes=10) + number * timedelta(seconds=20)
        here.logs.write("api", *TRACE, at=at, every=timedelta(milliseconds=1))
    await here.trouble()


async def told(here: Desk) -> str:
    (event,) = [event for event in await here.events() if event.kind == "advice"]
    return event.says


def unadvised(insight: Insight) -> Insight:
    return insight.with_(advised=(), model="off", dropped=0, at=START)


async def looked(folder: Path, *turns: Turn) -> tuple[Insight, str]:
    """Return what a closer look finds with a model that does this, and what the timeline says of the model."""
    folder.mkdir()
    async with desk(folder) as here:
        await burst(here)
        if turns:
            adviser(here, *turns)
        return await here.investigate(), await told(here) if turns else ""


async def test_advice_stands_beside_what_the_rules_found_and_changes_none_of_it(tmp_path: Path) -> None:
    alone, _ = await looked(tmp_path / "alone")
    advised, says = await looked(tmp_path / "advised", claims(claim(component="db", runbook="bad-release")))
    assert [(one.source, one.runbook) for one in advised.advised] == [("scripted:model", "bad-release")]
    assert unadvised(advised) == unadvised(alone)
    assert says.startswith(
        "scripted:model advises: dependency_down in db (80%): The database refuses connections.;"
        " this contradicts the rules, which say "
    )


@pytest.mark.parametrize(
    ("turn", "says"),
    [
        (Turn(hangs=True), "no advice of the model: out of time: it did not answer within 60 s"),
        (Turn(status=401), "no advice of the model: failed: it answers 401"),
        (Turn(text="dunno"), "no advice of the model: unreadable: its answer cannot be read: it holds no JSON object"),
        (claims(claim(evidence=["EV-99"])), "the model names no cause"),
    ],
)
async def test_without_its_help_all_is_as_without_a_model_and_the_timeline_says_why(
    tmp_path: Path, turn: Turn, says: str
) -> None:
    alone, _ = await looked(tmp_path / "alone")
    asked, told_ = await looked(tmp_path / "asked", turn)
    assert unadvised(asked) == unadvised(alone)
    assert (asked.advised, told_) == ((), says)


async def test_a_worker_that_dies_after_the_answer_does_not_pay_for_it_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await burst(here)
        adviser(here, claims(claim(component="db")))

        def kill(name: str) -> None:
            if name == "record advice":
                raise Killed

        with pytest.raises(Killed):
            await here.investigate(kill)
        again = adviser(here, Turn(text="must not be asked"))
        await here.clock.advance(31)
        found = await here.investigate()
        assert again.requests == []
        assert found.model == "answered"
        assert (await here.store.read(lambda rows: spending.spent(rows, now=here.clock.now()))).asked == 1
