"""What is known from closed incidents, by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.kit.testing import START
from devops_agent.model.action import Step
from devops_agent.model.knowledge import Document, Draft, Proposal
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import events, knowledge
from tests.web import seed

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.serving import Running

NAME = "down-docker-restart"
DRAFT = Draft(
    name=NAME,
    runbook=Runbook(
        name=NAME,
        says="Restart it.",
        match=Match(kinds=("down",)),
        steps=(Step(name="restart", action="docker.restart"),),
    ),
    reasons=("INC-1 on checkout, ordered at 2026-01-05 12:00 UTC: healed", "it ended down 3 of 3 times"),
    made_at=START,
)
PROPOSAL = Proposal(
    id="down/checkout/recurs", target="checkout", kind="down", pattern="recurs", says="down on checkout 9 times",
    advice="find what ends it", incidents=("INC-1",), made_at=START,
)  # fmt: skip


async def fill(web: Running) -> None:
    def write(rows: Rows) -> None:
        seed.fill(rows, web.clock.now())
        for id_, vector, helped in (("INC-1", (1.0, 0.0), "restart (docker.restart)"), ("INC-2", (0.6, 0.8), "")):
            document = Document(
                id=id_, kind="incident", model="m", vector=vector, says="x", at=START,
                meta={"target": "checkout", "kind": "down", "title": "it was down", "helped": helped},
            )  # fmt: skip
            knowledge.keep(rows, document)
        knowledge.keep(rows, Document(id="INC-3", kind="open", model="m", vector=(0.8, 0.6), says="x", at=START))
        knowledge.keep_draft(rows, DRAFT)
        knowledge.keep_proposals(rows, target="checkout", kind="down", found=[PROPOSAL])

    await web.store.write(write)


async def test_incidents_like_one_are_listed_the_most_alike_first(web: Running) -> None:
    await fill(web)
    found = (await web.get("/api/v1/incidents/INC-3/similar")).json()["items"]
    assert [(one["incident"], one["score"], one["helped"]) for one in found] == [
        ("INC-2", 0.96, ""),
        ("INC-1", 0.8, "restart (docker.restart)"),
    ]
    assert (await web.get("/api/v1/incidents/INC-4/similar")).json()["items"] == []
    assert (await web.get("/api/v1/incidents/INC-99/similar")).status == 404


async def test_a_draft_is_shown_with_what_it_rests_on_and_can_be_rejected_once(web: Running) -> None:
    await fill(web)
    (found,) = (await web.get("/api/v1/drafts")).json()["items"]
    assert (found["name"], found["standing"], found["reasons"]) == (NAME, "waiting", list(DRAFT.reasons))
    assert (await web.get("/api/v1/drafts/other")).status == 404
    answer = await web.post(f"/api/v1/drafts/{NAME}/reject", {"comment": "mend the leak"})
    assert (answer.status, answer.json()["standing"]) == (200, "rejected")
    assert (await web.post(f"/api/v1/drafts/{NAME}/reject", {})).status == 409
    assert (await web.get("/api/v1/drafts")).json()["items"] == []
    told = await web.store.read(lambda rows: events.latest(rows, limit=1))
    assert told[0].kind == "draft_rejected"
    assert told[0].says.endswith(f"rejected the draft {NAME}: mend the leak")


async def test_who_may_only_read_rejects_nothing(web: Running) -> None:
    await fill(web)
    assert (await web.post(f"/api/v1/drafts/{NAME}/reject", {}, scope="read")).status == 403


async def test_what_recurs_is_listed_with_what_would_end_it(web: Running) -> None:
    await fill(web)
    (found,) = (await web.get("/api/v1/proposals")).json()["items"]
    assert (found["says"], found["advice"]) == ("down on checkout 9 times", "find what ends it")
