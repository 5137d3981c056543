"""Documents found by meaning, drafts, proposals."""

import math
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.action import Step
from devops_agent.model.attempt import Outcome
from devops_agent.model.knowledge import Document, Draft, Proposal, Standing
from devops_agent.model.learning import Tried
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import Store, knowledge, learning
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.effort import examples
from tests.store.connecting import connect

MODEL = "hashing-3"


def unit(*values: float) -> tuple[float, ...]:
    length = math.hypot(*values)
    return tuple(value / length for value in values)


def document(id_: str, *values: float, **changes: object) -> Document:
    whole = Document(id=id_, kind="incident", model=MODEL, vector=unit(*values), says=id_, at=START)
    return whole.with_(**changes)


def runbook(name: str = "restart-api") -> Runbook:
    steps = (Step(name="restart", action="docker.restart"),)
    return Runbook(name=name, says="Restart it.", match=Match(kinds=("down",)), steps=steps)


def draft(name: str = "restart-api", *reasons: str) -> Draft:
    return Draft(name=name, runbook=runbook(name), reasons=reasons or ("INC-1 healed",), made_at=START)


def fill(rows: Rows) -> None:
    knowledge.keep(rows, document("INC-1", 1, 0, 0))
    knowledge.keep(rows, document("INC-2", 1, 1, 0))
    knowledge.keep(rows, document("INC-3", -1, 0, 0))
    knowledge.keep(rows, document("INC-4", 1, 0, 0, model="other-3"))
    knowledge.keep(rows, document("INC-5", 1, 0, model=MODEL))
    knowledge.keep(rows, document("INC-6", 1, 0, 0, kind="open"))


async def test_the_most_alike_come_first_and_only_those_of_the_same_model_kind_and_size(store: Store) -> None:
    await store.write(fill)
    found = await store.read(lambda rows: knowledge.similar(rows, unit(1, 0, 0), model=MODEL))
    assert [one.id for one, _ in found] == ["INC-1", "INC-2", "INC-3"]
    assert [score for _, score in found] == pytest.approx([1, math.sqrt(0.5), -1], abs=1e-5)


async def test_an_incident_is_not_found_as_like_itself_and_no_more_than_asked_for(store: Store) -> None:
    await store.write(fill)
    found = await store.read(lambda rows: knowledge.similar(rows, unit(1, 0, 0), model=MODEL, limit=1, besides="INC-1"))
    assert [one.id for one, _ in found] == ["INC-2"]


async def test_a_document_of_the_same_id_replaces_the_earlier(store: Store) -> None:
    def keep(rows: Rows) -> None:
        knowledge.keep(rows, document("INC-1", 1, 0, 0, kind="open"))
        knowledge.keep(rows, document("INC-1", 0, 1, 0, meta={"helped": "restart"}))

    await store.write(keep)
    found = await store.read(lambda rows: knowledge.get(rows, "INC-1"))
    assert found is not None
    assert (found.kind, found.vector, found.meta) == ("incident", (0.0, 1.0, 0.0), {"helped": "restart"})
    assert await store.read(lambda rows: knowledge.get(rows, "INC-2")) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(
    vectors=st.lists(
        st.lists(st.floats(-1, 1, width=32).filter(lambda one: abs(one) > 1e-3 or not one), min_size=4, max_size=4)
        .filter(any)
        .map(lambda values: unit(*values)),
        min_size=1,
        max_size=8,
    )
)
def test_scores_are_the_cosines_in_falling_order(connection: Connection, vectors: list[Sequence[float]]) -> None:
    connection.begin()
    try:
        for number, vector in enumerate(vectors):
            knowledge.keep(connection, document(f"INC-{number}", *vector))
        found = knowledge.similar(connection, vectors[0], model=MODEL, limit=20)
    finally:
        connection.rollback()
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    exact = {f"INC-{n}": sum(a * b for a, b in zip(vectors[0], one, strict=True)) for n, one in enumerate(vectors)}
    assert {one.id: score for one, score in found} == pytest.approx(exact, abs=1e-4)


@pytest.mark.real
def test_with_an_extension_that_compares_vectors_the_database_finds_the_same(postgres_url: str) -> None:
    """Pgvector itself is not packaged here: a type and an operator of its names and meaning stand in for it."""
    plain = connect(postgres_url)
    plain.begin()
    fill(plain)
    by_scan = knowledge.similar(plain, unit(1, 2, 0), model=MODEL)
    for statement in STAND_IN:
        plain.run(statement)
    plain.commit()
    plain.close()
    extended = connect(postgres_url)
    assert "<=>" in extended.distance
    extended.begin()
    by_database = knowledge.similar(extended, unit(1, 2, 0), model=MODEL)
    extended.rollback()
    extended.close()
    assert [one for one, _ in by_database] == [one for one, _ in by_scan]
    assert [score for _, score in by_database] == pytest.approx([score for _, score in by_scan], abs=1e-6)


STAND_IN = (
    "CREATE DOMAIN vector AS text",
    "CREATE FUNCTION cosine_distance(a text, b text) RETURNS float8 LANGUAGE sql AS $$ SELECT 1 - sum(x * y)"
    " / sqrt(sum(x * x) * sum(y * y)) FROM unnest(translate(a, '[]', '{}')CAST_FLOATS, translate(b, '[]', '{}')"
    "CAST_FLOATS) AS pairs(x, y) $$".replace("CAST_FLOATS", "\N{COLON}\N{COLON}float8[]"),
    "CREATE OPERATOR <=> (LEFTARG = text, RIGHTARG = text, FUNCTION = cosine_distance)",
)


async def test_a_draft_grows_until_a_person_has_answered_it(store: Store) -> None:
    assert await store.write(lambda rows: knowledge.keep_draft(rows, draft()))
    assert await store.write(lambda rows: knowledge.keep_draft(rows, draft("restart-api", "INC-1 healed", "INC-2 too")))
    assert await store.write(
        lambda rows: knowledge.answer_draft(rows, "restart-api", Standing.REJECTED, by="alice", comment="no", now=START)
    )
    assert not await store.write(lambda rows: knowledge.keep_draft(rows, draft("restart-api", "INC-9 healed")))
    (found,) = await store.read(knowledge.drafts)
    assert (found.standing, found.by, found.reasons) == (Standing.REJECTED, "alice", ("INC-1 healed", "INC-2 too"))
    assert await store.read(lambda rows: knowledge.drafts(rows, standing="waiting")) == []


async def test_a_draft_is_answered_once(store: Store) -> None:
    await store.write(lambda rows: knowledge.keep_draft(rows, draft()))

    def answer(rows: Rows, to: Standing) -> bool:
        return knowledge.answer_draft(rows, "restart-api", to, by="alice", comment="", now=START)

    assert await store.write(lambda rows: answer(rows, Standing.ACCEPTED))
    assert not await store.write(lambda rows: answer(rows, Standing.REJECTED))
    found = await store.read(lambda rows: knowledge.draft(rows, "restart-api"))
    assert found is not None
    assert (found.standing, found.runbook) == (Standing.ACCEPTED, runbook())
    assert await store.read(lambda rows: knowledge.draft(rows, "other")) is None


async def test_what_has_ended_is_proposed_no_more(store: Store) -> None:
    def proposal(pattern: str, minute: int) -> Proposal:
        return Proposal(
            id=f"down/api/{pattern}", target="api", kind="down", pattern=pattern, says="often", advice="mend it",
            incidents=("INC-1",), made_at=START + timedelta(minutes=minute),
        )  # fmt: skip

    first, second = proposal("recurs", 1), proposal("time of day", 2)
    await store.write(lambda rows: knowledge.keep_proposals(rows, target="api", kind="down", found=[first, second]))
    assert await store.read(knowledge.proposals) == [second, first]
    await store.write(lambda rows: knowledge.keep_proposals(rows, target="api", kind="down", found=[first]))
    assert await store.read(knowledge.proposals) == [first]


async def test_how_far_history_is_mirrored_is_remembered(store: Store) -> None:
    assert await store.read(knowledge.mirrored) == 0
    await store.write(lambda rows: knowledge.note_mirrored(rows, 12))
    await store.write(lambda rows: knowledge.note_mirrored(rows, 40))
    assert await store.read(knowledge.mirrored) == 40


async def test_what_people_refuted_counts_less_and_what_did_not_help_is_not_told_as_help(store: Store) -> None:
    def fill_(rows: Rows) -> None:
        for number in (1, 2, 3):
            meta = {"target": "api", "kind": "down", "title": "down", "helped": "restart (docker.restart)"}
            knowledge.keep(rows, document(f"INC-{number}", 1, 0.1 * number, 0, meta=meta))
            tried = Tried(
                at=START, incident=f"INC-{number}", target="api", kind="down", runbook="restart",
                outcome=Outcome.HEALED,
            )  # fmt: skip
            learning.keep_trial(rows, f"ATT-{number}", tried)
        learning.say_of_trial(rows, "INC-1", word="useless", now=START)
        learning.say_of_trial(rows, "INC-3", word="helped", now=START)

    await store.write(fill_)
    found = await store.read(lambda rows: knowledge.like(rows, unit(1, 0, 0), model=MODEL))
    assert [(one.incident, one.feedback, bool(one.helped)) for one in found] == [
        ("INC-3", "helped", True),
        ("INC-2", "", True),
        ("INC-1", "useless", False),
    ]
    best = await store.read(lambda rows: knowledge.like(rows, unit(1, 0, 0), model=MODEL, limit=1))
    assert [one.incident for one in best] == ["INC-3"]
