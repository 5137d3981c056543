"""Decisions kept with their inputs."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.fact import to_json
from devops_agent.model.judgement import Judgement
from devops_agent.store import Store, judgements
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows, storable
from tests.effort import examples

DAY = timedelta(days=1)
LONG: dict[str, Any] = {"runbooks": ["restart it, and see"] * 200}


def judgement(result: object = "allow", *, incident: str = "INC-1", day: int = 0, **inputs: object) -> Judgement:
    return Judgement(
        incident=incident,
        at=START + day * DAY,
        step="decide",
        inputs_json=to_json({"target": "api", **inputs}),
        result_json=to_json({"permission": result}),
        version="1",
    )


def parts(rows: Rows) -> int:
    found = rows.one("SELECT count(*) AS n FROM judgement_parts")
    assert found is not None
    return int(found["n"])


async def test_what_is_kept_is_read_back_as_it_was(store: Store) -> None:
    given_ = judgement(**LONG, odd={"text": "ü\n\"', \u2603", "number": 1.5})
    await store.write(lambda rows: judgements.keep(rows, given_))
    found = await store.read(lambda rows: judgements.since(rows, START))
    assert found == [given_.with_(id=found[0].id)]


async def test_the_same_result_again_is_kept_once_until_another_comes_between(store: Store) -> None:
    results = ["ask", "ask", "allow", "ask"]

    def keep(rows: Rows) -> list[bool]:
        return [judgements.keep(rows, judgement(result, round=n)) for n, result in enumerate(results)]

    assert await store.write(keep) == [True, False, True, True]
    assert await store.write(lambda rows: judgements.keep(rows, judgement("ask", incident="INC-2")))


async def test_what_many_share_is_kept_once(store: Store) -> None:
    def keep(rows: Rows) -> int:
        for number in range(20):
            judgements.keep(rows, judgement(incident=f"INC-{number}", **LONG))
        return parts(rows)

    assert await store.write(keep) == 1
    found = await store.read(lambda rows: judgements.since(rows, START))
    assert {one.inputs_json for one in found} == {to_json({"target": "api", **LONG})}


async def test_they_are_read_by_incident_time_and_page(store: Store) -> None:
    def keep(rows: Rows) -> None:
        for day in range(4):
            judgements.keep(rows, judgement(f"r{day}", day=day, incident=f"INC-{day % 2}"))

    await store.write(keep)
    late = await store.read(lambda rows: judgements.since(rows, START + 2 * DAY))
    assert [one.at for one in late] == [START + 2 * DAY, START + 3 * DAY]
    of_one = await store.read(lambda rows: judgements.since(rows, START, incident="INC-1"))
    assert {one.incident for one in of_one} == {"INC-1"}
    page = await store.read(lambda rows: judgements.since(rows, START, limit=3))
    rest = await store.read(lambda rows: judgements.since(rows, START, after=page[-1].id))
    assert [one.at for one in rest] == [START + 3 * DAY]


async def test_old_ones_go_with_the_parts_that_no_younger_one_uses(store: Store) -> None:
    def keep(rows: Rows) -> None:
        judgements.keep(rows, judgement(incident="INC-1", **LONG))
        judgements.keep(rows, judgement(incident="INC-2", only=["used long ago"] * 200))
        judgements.keep(rows, judgement(incident="INC-3", day=40, **LONG))

    await store.write(keep)
    assert await store.write(lambda rows: judgements.forget(rows, judged_before=START + 30 * DAY)) == 2
    assert await store.read(parts) == 1
    (left,) = await store.read(lambda rows: judgements.since(rows, START))
    assert left.inputs_json == judgement(**LONG).inputs_json


FIELDS = st.dictionaries(st.sampled_from("abcd"), st.lists(st.text(), max_size=200), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(inputs=FIELDS, result=st.text())
def test_any_inputs_and_result_come_back(connection: Connection, inputs: dict[str, list[str]], result: str) -> None:
    given_ = Judgement(
        incident="INC-1",
        at=START,
        step="diagnose",
        inputs_json=to_json(inputs),
        result_json=to_json(result),
        version="1",
    )
    connection.begin()
    try:
        judgements.keep(connection, given_)
        (found,) = judgements.since(connection, START)
    finally:
        connection.rollback()
    kept = storable({"inputs": given_.inputs_json, "result": given_.result_json})
    assert (found.inputs_json, found.result_json) == (kept["inputs"], kept["result"])
