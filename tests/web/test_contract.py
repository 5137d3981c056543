"""The description holds: whatever is sent, the answer is one that is described, and never a 5xx."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from devops_agent.web.docs import as_markdown, describe_shipped
from tests.web import seed
from tests.web.serving import SECRETS, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis import strategies as st

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Case: TypeAlias = "schemathesis.Case[Any]"
EXAMPLES = 8
"""For each operation, of requests that fit the description and again of those that do not."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve in a thread of its own, with a week's data, for the requests of schemathesis block."""
    folder: Path = tmp_path_factory.mktemp("contract")
    ready = threading.Event()
    found: list[str] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with running(folder) as web:
            await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
            found.append(web.url)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.mark.slow
def test_whatever_is_sent_the_answer_is_one_that_is_described(url: str) -> None:
    admitted = {"Authorization": f"Bearer {SECRETS['admin']}"}
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=admitted)
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path == "/stream":  # it never ends; its own tests read it
            continue

        for mode in GenerationMode:
            _try(operation.as_strategy(generation_mode=mode))
        tried += 1
    assert tried > 40


def _try(cases: st.SearchStrategy[Case]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases)
    def check(case: Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {SECRETS['admin']}"}, checks=CHECKS)

    with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
        check()


async def test_the_reference_page_is_the_one_that_the_code_makes() -> None:
    kept = ROOT / "docs" / "reference" / "api.md"
    made = as_markdown(await describe_shipped())
    assert kept.read_text(encoding="utf-8") == made, "run `python -m devops_agent.web.docs`"
