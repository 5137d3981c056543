"""Rehearsing: what would be planned and decided, told from the rows alone, and nothing done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Settings
from devops_agent.engine import rehearse
from devops_agent.engine.ground import ground_of
from devops_agent.engine.site import Known
from devops_agent.kit.testing import START
from devops_agent.model.action import Action, Risk, Step
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.decision import Decision, Permission
from devops_agent.model.runbook import Match, Runbook
from devops_agent.model.target import Target
from devops_agent.store import Store, events, incidents, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.engine.rehearse import Rehearsal
    from devops_agent.store.rows import Rows

TARGET = Target(name="api", via="docker", ref="api-1", managed=True)
BOOK = Runbook(
    name="service-down", says="Start it.", match=Match(kinds=("down",)),
    steps=(Step(name="restart", action="{via}.restart"),),
)  # fmt: skip


def known(**guard: object) -> Known:
    settings = Settings(targets=(TARGET,)).with_(guard=Settings().guard.with_(**guard))
    ground = ground_of(settings, discovered=(), version="1")
    restart = Action(name="docker.restart", says="Restart it.", risk=Risk.SAFE)
    return Known(
        actions={restart.name: restart}, settings=lambda: settings, ground=lambda: ground, runbooks=lambda: (BOOK,),
        sightings=dict, version="1",
    )  # fmt: skip


def alert(name: str = "ServiceDown") -> Alert:
    labels = {"alertname": name, "service": "api"}
    return Alert(
        fingerprint=fingerprint(labels), status=AlertStatus.RESOLVED, labels=labels, starts_at=START, source="test"
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        yield store


def told(
    rows: Rows, with_: Known, *, name: str = "ServiceDown", book: Runbook = BOOK
) -> tuple[Rehearsal, Decision | None]:
    occasion = rehearse.on_alert(rows, alert(name), target=TARGET, known=with_, now=START)
    found, made = rehearse.rehearse(rows, book, occasion, known=with_, now=START)
    decision = rehearse.decide_unseen(rows, made, occasion, known=with_, now=START) if made else None
    return found, decision


async def test_the_plan_and_the_guards_word_are_told(store: Store) -> None:
    found, decision = await store.read(lambda rows: told(rows, known(min_confidence=0.0)))
    assert (found.kind, [step.action for step in found.steps]) == ("down", ["docker.restart"])
    assert found.choice == "service-down is for down; it was not used for this before"
    assert decision
    assert decision.permission is Permission.ALLOW


async def test_it_is_not_claimed_that_the_machine_was_looked_at(store: Store) -> None:
    _, decision = await store.read(lambda rows: told(rows, known()))
    assert decision
    (said,) = [verdict.reason for verdict in decision.verdicts if verdict.rule == "never_touch"]
    assert said.startswith("not asked here")


async def test_a_runbook_for_other_trouble_says_what_would_be_done_instead(store: Store) -> None:
    found, _ = await store.read(lambda rows: told(rows, known(), name="HighLatency"))
    assert found.choice.startswith("service-down does not fit this alert; without a person's guidance:")


async def test_a_runbook_that_cannot_be_filled_in_says_why(store: Store) -> None:
    book = BOOK.with_(steps=(Step(name="clean", action="{via}.restart", args={"path": "{labels.path}"}),))
    found, decision = await store.read(lambda rows: told(rows, known(), book=book))
    assert "{labels.path} has no value" in found.problem
    assert decision is None


async def test_an_incident_is_rehearsed_whatever_is_known_of_it_and_nothing_is_written(store: Store) -> None:
    def open_one(rows: Rows) -> None:
        incidents.open_(
            rows, target="api", cause_group="service", kind="down", severity=Severity.CRITICAL, title="down", now=START,
            ordered_json="{}",
        )  # fmt: skip

    await store.write(open_one)

    def run(rows: Rows) -> tuple[str, bool]:
        incident = incidents.get(rows, "INC-1")
        assert incident
        occasion = rehearse.on_incident(rows, incident, target=TARGET, known=known(), now=START)
        return occasion.diagnosis.kind, bool(occasion.incident.ordered_json)

    assert await store.read(run) == ("down", False)
    assert await store.read(events.head) == (0, events.GENESIS)
