"""What was learnt, and people's word on it, by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devops_agent.model.attempt import Outcome
from devops_agent.model.learning import Tried
from devops_agent.model.prediction import Prediction
from devops_agent.store import events, learning
from tests.web import seed

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.serving import Running


@pytest.fixture
async def taught(web: Running) -> Running:
    """A store that looks like a working week, of which INC-1 was learnt from."""
    now = web.clock.now()

    def teach(rows: Rows) -> None:
        seed.fill(rows, now)
        made = Prediction(
            incident="INC-1", target="checkout", source="rules", kind="down", raw=0.98, published=0.98, at=now
        )
        learning.predict(rows, made)
        learning.judge(rows, "INC-1", "down", right=True)
        tried = Tried(
            at=now, incident="INC-1", target="checkout", kind="down", runbook="service-down",
            actions=("docker.restart",), version="shop:1", outcome=Outcome.HEALED,
        )  # fmt: skip
        learning.keep_trial(rows, "ATT-1", tried)

    await web.store.write(teach)
    return web


async def test_what_was_learnt_is_told(taught: Running) -> None:
    told = (await taught.get("/api/v1/learning")).json()
    assert told["confidence"][0]["judged_by"] == {"outcome": 1}
    assert told["runbooks"] == [{"runbook": "service-down", "kind": "down", "healed": 1, "tried": 1}]
    [action] = told["actions"]
    assert (action["action"], action["standing"]["level"]) == ("docker.restart", "auto")


async def test_a_word_is_kept_with_who_said_it_and_changes_trust_at_once(taught: Running) -> None:
    said = {"diagnosis": "wrong", "kind": "out_of_memory", "outcome": "harmful", "comment": "dmesg"}
    answer = await taught.post("/api/v1/incidents/INC-1/feedback", said)
    assert answer.status == 200
    says = "api:operate: the diagnosis down was wrong, it was out_of_memory; the plan ATT-1 did harm — dmesg"
    assert answer.json() == {"says": says}
    [event] = await taught.store.read(lambda rows: events.latest(rows, limit=1))
    assert (event.kind, event.actor, event.says) == ("feedback", "api:operate", says)
    [action] = (await taught.get("/api/v1/learning")).json()["actions"]
    assert action["standing"]["level"] == "ask"


async def test_the_same_word_sent_twice_is_kept_once(taught: Running) -> None:
    key = {"Idempotency-Key": "k"}
    for _ in range(2):
        answer = await taught.post("/api/v1/incidents/INC-1/feedback", {"diagnosis": "right"}, headers=key)
        assert answer.status == 200
    found = await taught.store.read(lambda rows: events.of_incident(rows, "INC-1"))
    assert [event.kind for event in found].count("feedback") == 1


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("INC-1", {}, 409),
        ("INC-1", {"kind": "gremlins"}, 409),
        ("INC-1", {"outcome": "splendid"}, 422),
        ("INC-1", {"verdict": "right"}, 422),
        ("INC-99", {"diagnosis": "right"}, 404),
        ("INC-3", {"outcome": "helped"}, 409),
    ],
)
async def test_what_cannot_be_heard_is_a_problem(taught: Running, path: str, said: dict[str, str], status: int) -> None:
    answer = await taught.post(f"/api/v1/incidents/{path}/feedback", said)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_whoever_may_only_read_may_not_judge(taught: Running) -> None:
    answer = await taught.post("/api/v1/incidents/INC-1/feedback", {"diagnosis": "right"}, scope="read")
    assert answer.status == 403
