"""What is kept of incidents that are closed, and how it is found again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devops_agent.engine import lifecycle
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Outcome
from devops_agent.model.incident import Status
from devops_agent.model.knowledge import Standing
from devops_agent.ports import PluginError
from devops_agent.store import events, incidents, knowledge
from devops_agent.workers.remember import recall, similar
from tests.workers.remembering import DAY, FakeMirror, Past


async def test_a_closed_incident_is_found_by_what_it_was_like_with_what_helped(past: Past) -> None:
    await past.happens(at=START, title="heap is nearly full")
    await past.happens(at=START + DAY, kind="down", title="it exited", target="db")
    await past.remember()
    first, second = await similar(past.store, "memory pressure on web: the heap is full", embedder=past.embedder)
    assert (first.incident, first.kind, first.helped) == ("INC-1", "memory_pressure", "restart (docker.restart)")
    assert second.incident == "INC-2"
    assert first.score > second.score


async def test_what_a_person_ordered_with_success_is_told_as_help(past: Past) -> None:
    await past.happens(at=START, ordered=True)
    await past.remember()
    (found,) = await similar(past.store, "memory pressure", embedder=past.embedder)
    assert found.helped == "docker.restart, ordered by a person"


async def test_what_did_not_help_is_not_told_as_help(past: Past) -> None:
    await past.happens(at=START, outcome=Outcome.FAILED)
    await past.remember()
    (found,) = await similar(past.store, "memory pressure", embedder=past.embedder)
    assert found.helped == ""


async def test_an_open_incident_recalls_closed_ones_and_is_itself_found_only_by_its_id(past: Past) -> None:
    await past.happens(at=START)
    await past.remember()
    now = past.clock.now()
    what = {"target": "web", "cause_group": "x", "kind": "memory_pressure", "title": "memory at 93 %"}
    opened = await past.store.write(lambda rows: incidents.open_(rows, severity=Severity.WARNING, now=now, **what))
    found = await recall(past.store, opened.id, embedder=past.embedder, clock=past.clock)
    assert [one.incident for one in found] == ["INC-1"]
    assert found[0].score > 0.5
    document = await past.store.read(lambda rows: knowledge.get(rows, opened.id))
    assert document is not None
    assert document.kind == "open"
    assert [one.incident for one in await similar(past.store, "memory", embedder=past.embedder)] == ["INC-1"]
    assert await recall(past.store, "INC-99", embedder=past.embedder, clock=past.clock) == []


async def test_while_the_embedding_is_away_an_incident_waits_and_is_then_remembered(past: Past) -> None:
    await past.happens(at=START)
    away = past.embedder

    def fail(texts: object) -> list[list[float]]:
        raise PluginError("the API is away")

    away.embed = fail  # type: ignore[method-assign]
    (again,) = await past.remember()
    assert again.not_before - past.clock.now() == timedelta(minutes=5)
    assert "the API is away" in again.waits_on
    assert await past.store.read(lambda rows: knowledge.get(rows, "INC-1")) is None


async def test_an_incident_that_was_opened_again_meanwhile_is_remembered_at_its_next_end(past: Past) -> None:
    closed = await past.happens(at=START)
    await past.store.write(lambda rows: lifecycle.move(rows, closed, Status.OPEN, reason="came back", now=START + DAY))
    assert await past.remember() == []
    assert await past.store.read(lambda rows: knowledge.get(rows, "INC-1")) is None


async def test_what_people_order_again_and_again_with_success_is_drafted_and_told(past: Past) -> None:
    for day in range(3):
        await past.happens(at=START + (50 + day) * DAY, ordered=True)
    await past.remember()
    (draft,) = await past.store.read(knowledge.drafts)
    assert draft.standing is Standing.WAITING
    told = await past.store.read(lambda rows: [one for one in events.latest(rows) if one.kind == "drafted"])
    assert len(told) == 1
    assert f"`devops-agent draft show {draft.name}`" in told[0].says


async def test_what_recurs_is_proposed_to_be_mended_for_good(past: Past) -> None:
    for number in range(9):
        await past.happens(at=past.clock.now() - number * timedelta(hours=37) - timedelta(hours=1))
    await past.remember()
    (proposal,) = await past.store.read(knowledge.proposals)
    assert proposal.says == (
        "memory_pressure on api 9 times in 14 days, about every 37 h, each healed by restart (docker.restart)"
    )
    assert proposal.advice.startswith("likely a leak")
    assert len(proposal.incidents) == 9


async def test_history_is_mirrored_once_under_stable_keys(past: Past) -> None:
    past.mirror = FakeMirror()
    await past.happens(at=START, ordered=False)
    assert await past.remember() == []
    keys = set(past.mirror.kept)
    assert {"INC-1", "ATT-1", "action:ATT-1/restart", "metrics:docker.restart:memory_pressure:api"} <= keys
    assert f"metrics:day:{START:%Y-%m-%d}" in keys
    given = past.mirror.given
    await past.happens(at=START + DAY)
    await past.remember()
    again = {key for key in past.mirror.kept if key not in keys}
    assert "INC-2" in again
    assert past.mirror.given - given == len(again) + 1  # the statistics of docker.restart have changed


async def test_while_the_memory_is_away_history_waits_and_nothing_is_lost(past: Past) -> None:
    past.mirror = FakeMirror()
    past.mirror.trouble = PluginError("cannot start it")
    for day in range(3):
        await past.happens(at=START + day * DAY)
    assert {again.waits_on for again in await past.remember()} == {"cannot start it"}
    past.mirror.trouble = None
    await past.happens(at=START + 4 * DAY)
    assert await past.remember() == []
    assert {"INC-1", "INC-2", "INC-3", "INC-4"} <= set(past.mirror.kept)


async def test_what_refuses_is_left_alone_for_longer(past: Past) -> None:
    past.mirror = FakeMirror()
    past.mirror.trouble = PluginError("not installed", retryable=False)
    await past.happens(at=START)
    (again,) = await past.remember()
    assert again.not_before - past.clock.now() == timedelta(hours=6)


async def test_secrets_are_masked_before_they_are_mirrored(past: Past) -> None:
    past.mirror = FakeMirror()
    await past.happens(at=START, title="login failed with password=hunter2-and-more")
    await past.remember()
    assert "hunter2" not in past.mirror.kept["INC-1"].says


async def test_a_long_history_is_mirrored_whole_in_parts(past: Past) -> None:
    for number in range(40):
        await past.happens(at=START + number * timedelta(hours=1))
    past.mirror = FakeMirror()
    await past.remember()
    assert {f"INC-{number}" for number in range(1, 41)} <= set(past.mirror.kept)


@pytest.mark.parametrize("ordered", [True, False])
async def test_orders_are_no_trouble_to_be_remembered_but_are_mirrored(past: Past, *, ordered: bool) -> None:
    past.mirror = FakeMirror()
    await past.happens(at=START, ordered=ordered)
    await past.remember()
    kept = {id_ for id_ in ("INC-1", "INC-2") if await past.store.read(lambda rows, id_=id_: knowledge.get(rows, id_))}  # type: ignore[misc]
    assert kept == {"INC-1"}
    assert ("INC-2" in past.mirror.kept) is ordered
