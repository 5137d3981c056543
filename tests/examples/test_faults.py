"""Who may switch faults on, and that the table of faults is sound."""

from pathlib import Path

import pytest
from starlette.types import Message

from examples.market_predictor.faults import FAULTS
from examples.market_predictor.place import Place
from examples.market_predictor.sabotage import Limits, Sabotage
from examples.market_predictor.service import Settings, build
from examples.market_predictor.switches import Switches


def test_every_fault_says_what_it_does_and_what_repairs_it() -> None:
    assert len(FAULTS) >= 12
    assert all(fault.does and fault.repair for fault in FAULTS.values())


def test_a_fault_that_a_restart_heals_does_not_survive_one() -> None:
    assert not [name for name, fault in FAULTS.items() if fault.restart_heals and fault.survives]


@pytest.mark.parametrize(("client", "expected"), [("127.0.0.1", 202), ("::1", 202), ("192.0.2.7", 403)])
async def test_faults_are_switched_from_this_machine_only(tmp_path: Path, client: str, expected: int) -> None:
    place = Place(tmp_path)
    switches = Switches(place)
    sabotage = Sabotage("prices", place=place, limits=Limits(memory_mb=100, disk_mb=100), switches=switches)
    app = build(Settings(name="prices", disk_path=str(tmp_path)), sabotage=sabotage, switches=switches)
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/faults/crash", "headers": [], "query_string": b""}
    await app(scope | {"client": (client, 5000)}, receive, send)
    assert statuses == [expected]
    assert (switches.get("crash") is not None) == (expected == 202)
