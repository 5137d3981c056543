import asyncio
from datetime import timedelta

from devops_agent.kit.testing import START
from devops_agent.model.decision import Answer, Approval
from devops_agent.store import Store, approvals
from devops_agent.store.rows import Rows

LATER = START + timedelta(hours=1)


def ask(rows: Rows, digest: str = "d1", *, incident: str = "INC-1", seconds: int = 0) -> Approval:
    now = START + timedelta(seconds=seconds)
    return approvals.ask(
        rows, incident=incident, digest=digest, summary="restart api", now=now, expires_at=now + timedelta(hours=1)
    )


def approve(rows: Rows, id_: str, *, by: str = "alice", minutes: int = 1, answer: Answer = Answer.APPROVED) -> bool:
    return approvals.answer(rows, id_, answer, by=by, comment="go", now=START + timedelta(minutes=minutes))


async def test_a_question_waits_with_its_summary_and_expiry(store: Store) -> None:
    asked = await store.write(ask)
    assert asked == Approval(
        id="APR-1", incident="INC-1", digest="d1", summary="restart api", asked_at=START, expires_at=LATER
    )
    assert await store.read(approvals.pending) == [asked]
    assert await store.read(lambda rows: approvals.get(rows, "APR-1")) == asked
    assert await store.read(lambda rows: approvals.get(rows, "APR-2")) is None


async def test_the_same_plan_is_asked_about_once_and_another_plan_anew(store: Store) -> None:
    first = await store.write(ask)
    assert await store.write(ask) == first
    assert (await store.write(lambda rows: ask(rows, "d2"))).id == "APR-2"
    assert (await store.write(lambda rows: ask(rows, incident="INC-2"))).id == "APR-3"


async def test_a_question_is_answered_once(store: Store) -> None:
    await store.write(ask)
    assert await store.write(lambda rows: approve(rows, "APR-1"))
    assert not await store.write(lambda rows: approve(rows, "APR-1", by="bob", answer=Answer.DENIED))
    found = await store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert found is not None
    assert (found.answer, found.by, found.comment) == (Answer.APPROVED, "alice", "go")
    assert found.answered_at == START + timedelta(minutes=1)
    assert await store.read(approvals.pending) == []


async def test_of_many_answers_at_once_exactly_one_wins(store: Store) -> None:
    await store.write(ask)
    people = [f"person-{number}" for number in range(20)]
    won = await asyncio.gather(
        *(store.write(lambda rows, who=who: approve(rows, "APR-1", by=who)) for who in people)  # type: ignore[misc]
    )
    assert won.count(True) == 1
    found = await store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert found is not None
    assert found.by == people[won.index(True)]


async def test_an_answer_that_comes_too_late_does_not_count(store: Store) -> None:
    await store.write(ask)
    assert not await store.write(lambda rows: approve(rows, "APR-1", minutes=60))
    assert await store.write(lambda rows: approve(rows, "APR-1", minutes=59))


async def test_an_answer_to_no_question_does_not_count(store: Store) -> None:
    assert not await store.write(lambda rows: approve(rows, "APR-7"))


async def test_expired_questions_end_once(store: Store) -> None:
    await store.write(ask)
    await store.write(lambda rows: ask(rows, "d2", seconds=60))
    assert await store.write(lambda rows: approvals.expire(rows, now=LATER - timedelta(seconds=1))) == []
    assert [one.id for one in await store.write(lambda rows: approvals.expire(rows, now=LATER))] == ["APR-1"]
    assert await store.write(lambda rows: approvals.expire(rows, now=LATER)) == []
    assert [one.answer for one in await store.read(lambda rows: approvals.of_incident(rows, "INC-1"))] == [
        Answer.EXPIRED,
        Answer.PENDING,
    ]


async def test_a_question_whose_time_is_over_is_asked_anew(store: Store) -> None:
    await store.write(ask)
    again = await store.write(lambda rows: ask(rows, seconds=3600))
    assert again.id == "APR-2"
    assert [one.id for one in await store.write(lambda rows: approvals.expire(rows, now=LATER))] == ["APR-1"]


async def test_a_withdrawn_question_can_be_answered_no_more(store: Store) -> None:
    await store.write(ask)
    await store.write(lambda rows: ask(rows, incident="INC-2"))
    await store.write(lambda rows: approvals.withdraw(rows, "INC-1", now=START))
    assert not await store.write(lambda rows: approve(rows, "APR-1"))
    assert await store.write(lambda rows: approve(rows, "APR-2"))
    found = await store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert found is not None
    assert found.answer is Answer.WITHDRAWN


async def test_withdrawing_leaves_given_answers_as_they_are(store: Store) -> None:
    await store.write(ask)
    await store.write(lambda rows: approve(rows, "APR-1"))
    await store.write(lambda rows: approvals.withdraw(rows, "INC-1", now=START))
    assert [one.answer for one in await store.read(approvals.latest)] == [Answer.APPROVED]


async def test_questions_of_one_moment_are_listed_in_the_order_in_which_they_were_asked(store: Store) -> None:
    for number in range(12):
        await store.write(lambda rows, number=number: ask(rows, f"d{number}"))  # type: ignore[misc]
    expected = [f"APR-{number}" for number in range(1, 13)]
    assert [one.id for one in await store.read(approvals.pending)] == expected
    assert [one.id for one in await store.read(lambda rows: approvals.of_incident(rows, "INC-1"))] == expected
    assert [one.id for one in await store.read(lambda rows: approvals.latest(rows, limit=3))] == expected[:-4:-1]
