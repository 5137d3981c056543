"""Questions about incidents, answered from the rows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devops_agent.kit.testing.clock import START, FakeClock
from devops_agent.store import Store, open_store
from devops_agent.workers.answers import answer, answering
from tests.web import seed


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A working week: INC-1 healed, INC-2 asks, INC-3 escalated, INC-4 being acted on."""
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        await opened.write(lambda rows: seed.fill(rows, START))
        yield opened


async def asked(store: Store, question: str) -> str:
    return await store.read(lambda rows: answer(rows, question, now=START))


async def test_an_incident_is_told_by_its_id(store: Store) -> None:
    said = await asked(store, "What is the state of inc-3, please?")
    assert said.startswith("INC-3 is escalated. ")
    assert "ledger" in said
    assert "Names cannot be resolved" in said
    assert "Look at /etc/resolv.conf" in said
    assert "devops-agent guide" in said


async def test_what_was_done_is_told(store: Store) -> None:
    said = await asked(store, "what was done about INC-1?")
    assert "docker.restart" in said
    assert "healed" in said


async def test_what_waits_for_a_person_is_told(store: Store) -> None:
    assert "APR-1" in await asked(store, "INC-2?")


async def test_a_target_s_open_incident_is_told_by_its_name(store: Store) -> None:
    assert (await asked(store, "Why is payments down?")).startswith("INC-4 is remediating. ")


async def test_a_target_that_is_well_tells_of_its_last_incident(store: Store) -> None:
    said = await asked(store, "is checkout ok?")
    assert said.startswith("checkout has no open incident. The last one: INC-1 is resolved.")
    assert await asked(store, "and mailer?") == "mailer has no incident, and had none."


async def test_a_name_counts_as_a_whole_word_only(store: Store) -> None:
    assert "payments" in await asked(store, "payments: why")
    assert (await asked(store, "what about payments-archive")).startswith("Open incidents:")


async def test_without_a_name_the_open_incidents_are_listed(store: Store) -> None:
    said = await asked(store, "how are things?")
    assert [line.partition(" ")[0] for line in said.splitlines()[1:4]] == ["INC-4", "INC-3", "INC-2"]
    assert "Waiting for a yes or no: APR-1." in said


async def test_an_incident_that_is_not_there_is_said_so(store: Store) -> None:
    assert await asked(store, "INC-999") == "There is no INC-999."


async def test_nothing_open_is_said_so(tmp_path: Path) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/empty.db") as empty:
        assert await answering(empty, clock=FakeClock())("how are things?") == "No incident is open."


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.sampled_from(["INC-" + "9" * 400, "INC-1 INC-2 INC-3 INC-4 INC-5", "'; DROP TABLE incidents--"]))
async def test_any_question_has_an_answer(store: Store, question: str) -> None:
    assert await asked(store, question)
