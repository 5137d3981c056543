from datetime import datetime, timedelta

from devops_agent.kit.testing import START
from devops_agent.model.reasoning import Budget, Completion, Ended
from devops_agent.store import Store, spending
from devops_agent.store.rows import Rows
from devops_agent.store.spending import Reserve, Spent

WANTED = Budget(turns=6, tokens=20_000, seconds=60.0, dollars=0.10)
ANSWER = Completion(ended=Ended.ANSWERED, answer={"claims": []}, says="it answered", turns=2, tokens_in=900)


def reserve(rows: Rows, *, now: datetime = START, tokens: int = 50_000, dollars: float = 0.25) -> Reserve:
    return spending.reserve(rows, WANTED, tokens_per_day=tokens, dollars_per_day=dollars, now=now)


async def spent(store: Store, *, now: datetime = START) -> Spent:
    return await store.read(lambda rows: spending.spent(rows, now=now))


async def test_a_question_gets_its_own_budget_while_the_day_has_enough(store: Store) -> None:
    assert (await store.write(reserve)).budget == WANTED


async def test_what_is_under_way_counts_as_spent_and_then_what_it_really_took(store: Store) -> None:
    reserved = await store.write(reserve)
    assert await spent(store) == Spent(asked=1, tokens=20_000, dollars=0.1)
    await store.write(lambda rows: spending.settle(rows, reserved, tokens=1_234, dollars=0.000_5))
    assert await spent(store) == Spent(asked=1, tokens=1_234, dollars=0.000_5)


async def test_a_question_gets_the_rest_of_the_day_and_then_nothing(store: Store) -> None:
    granted = [(await store.write(reserve)).budget for _ in range(4)]
    assert [budget.tokens for budget in granted] == [20_000, 20_000, 10_000, 0]
    assert [round(budget.dollars, 6) for budget in granted] == [0.1, 0.1, 0.05, 0.0]
    assert {budget.turns for budget in granted} == {6}


async def test_a_new_day_has_its_own_money(store: Store) -> None:
    for _ in range(3):
        await store.write(reserve)
    tomorrow = START + timedelta(days=1)
    assert (await store.write(lambda rows: reserve(rows, now=tomorrow))).budget == WANTED
    assert (await spent(store, now=tomorrow)).asked == 1


async def test_what_began_before_midnight_is_settled_on_its_own_day(store: Store) -> None:
    reserved = await store.write(reserve)
    await store.write(lambda rows: spending.settle(rows, reserved, tokens=10, dollars=0.0))
    assert (await spent(store)).tokens == 10
    assert await spent(store, now=START + timedelta(days=1)) == Spent()


async def test_an_answer_is_recalled_as_cached_until_it_expires(store: Store) -> None:
    minutes = timedelta(minutes=10)
    await store.write(lambda rows: spending.keep(rows, "q1", ANSWER, now=START, lasting=minutes))
    recalled = await store.read(lambda rows: spending.recall(rows, "q1", now=START + minutes / 2))
    assert recalled == ANSWER.with_(cached=True)
    assert await store.read(lambda rows: spending.recall(rows, "q1", now=START + minutes)) is None
    assert await store.read(lambda rows: spending.recall(rows, "q2", now=START)) is None


async def test_a_newer_answer_takes_the_place_of_the_older_and_expired_ones_go(store: Store) -> None:
    minute = timedelta(minutes=1)
    newer = ANSWER.with_(turns=5)
    await store.write(lambda rows: spending.keep(rows, "q1", ANSWER, now=START, lasting=minute))
    await store.write(lambda rows: spending.keep(rows, "q2", ANSWER, now=START, lasting=minute))
    await store.write(lambda rows: spending.keep(rows, "q1", newer, now=START + minute, lasting=minute))
    kept = await store.read(lambda rows: rows.all("SELECT digest FROM completions"))
    assert [row["digest"] for row in kept] == ["q1"]
    recalled = await store.read(lambda rows: spending.recall(rows, "q1", now=START + minute))
    assert recalled == newer.with_(cached=True)
