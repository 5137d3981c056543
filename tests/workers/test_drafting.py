"""What people have done with success again and again becomes a draft."""

from __future__ import annotations

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.action import Proof, Step
from devops_agent.model.attempt import Outcome
from devops_agent.model.knowledge import Draft
from devops_agent.model.runbook import Match, Runbook
from devops_agent.workers.drafting import draft
from tests.workers.remembering import DAY, RESTART, Past

CLEAN = Step(name="clean", action="host.clean", args={"paths": ("/var/cache/api", "api-1"), "note": "for {x}"})


async def happens(past: Past, times: int, **what: object) -> None:
    for number in range(times):
        await past.happens(at=START + (30 + number) * DAY, **what)


async def drafted(past: Past, kind: str = "memory_pressure", *books: Runbook) -> list[Draft]:
    return await past.store.read(lambda rows: draft(rows, kind, runbooks=books, now=past.clock.now()))


async def test_three_orders_that_ended_the_trouble_make_a_runbook_of_their_steps(past: Past) -> None:
    await happens(past, 3, ordered=True, steps=(CLEAN, RESTART))
    (found,) = await drafted(past)
    book = found.runbook
    assert book.name == found.name == "memory-pressure-api-host-clean-docker-restart"
    assert book.match == Match(kinds=("memory_pressure",), via=("docker",), targets=("api",))
    assert [step.action for step in book.steps] == ["host.clean", "docker.restart"]
    assert found.reasons[-1] == (
        "host.clean, then docker.restart ended memory_pressure 3 of 3 times, each time because a person said so"
    )
    assert found.reasons[0] == "INC-1 on api, ordered at 2026-02-04 12:00 UTC: healed"


async def test_the_targets_own_names_become_placeholders_and_other_braces_stay_as_they_are(past: Past) -> None:
    await happens(past, 3, ordered=True, steps=(CLEAN,))
    (found,) = await drafted(past)
    assert found.runbook.steps[0].args == {"paths": ("/var/cache/api", "{ref}"), "note": "for {{x}}"}


async def test_a_step_that_proved_nothing_is_proven_by_health(past: Past) -> None:
    await happens(past, 3, ordered=True)
    (found,) = await drafted(past)
    assert found.runbook.steps[0].proof == Proof(healthy=True)


async def test_guidance_counts_as_an_order_does(past: Past) -> None:
    await happens(past, 3, guided=True, runbook="clear-cache", steps=(CLEAN,))
    (found,) = await drafted(past)
    assert [step.action for step in found.runbook.steps] == ["host.clean"]
    assert "INC-1 on api, guided at" in found.reasons[0]


@pytest.mark.parametrize("how", [{"ordered": True}, {"guided": True}])
async def test_twice_is_not_enough_and_what_nobody_asked_for_is_no_experience_of_people(
    past: Past, how: dict[str, bool]
) -> None:
    await happens(past, 2, **how)
    await happens(past, 5)
    assert await drafted(past) == []


async def test_what_failed_too_often_is_not_drafted(past: Past) -> None:
    await happens(past, 3, ordered=True)
    await happens(past, 2, ordered=True, outcome=Outcome.FAILED)
    assert await drafted(past) == []


async def test_trouble_that_lasted_long_after_the_order_was_not_ended_by_it(past: Past) -> None:
    await happens(past, 3, ordered=True, minutes=60)
    assert await drafted(past) == []


async def test_what_a_runbook_does_by_itself_is_not_drafted_again(past: Past) -> None:
    await happens(past, 3, ordered=True)
    same = Runbook(
        name="same",
        says="Restart it.",
        match=Match(kinds=("memory_pressure",)),
        steps=(Step(name="again", action="{via}.restart"),),
    )
    assert await drafted(past, "memory_pressure", same) == []
    elsewhere = same.with_(match=Match(kinds=("memory_pressure",), targets=("db*",)))
    assert len(await drafted(past, "memory_pressure", elsewhere)) == 1


async def test_experience_of_long_ago_is_none(past: Past) -> None:
    await happens(past, 3, ordered=True)
    past.clock.jump(200 * DAY.total_seconds())
    assert await drafted(past) == []


async def test_other_trouble_on_the_target_is_no_witness(past: Past) -> None:
    await happens(past, 3, ordered=True, kind="high_latency")
    assert await drafted(past) == []
    assert len(await drafted(past, "high_latency")) == 1
