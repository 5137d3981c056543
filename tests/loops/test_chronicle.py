"""The timeline in the log: a fixed name for each kind of event, ids and figures as fields."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devops_agent.loops.chronicle import Chronicle
from devops_agent.store import events, open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_every_event_is_one_line_with_its_kind_as_the_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "devops_agent.timeline")
    data: dict[str, Any] = {
        "action": "docker.restart",
        "ok": True,
        "verified": True,
        "seconds": 0.6,
        "result": {"a": 1},
    }
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        chronicle = Chronicle(store)
        await store.write(lambda rows: events.add(rows, "opened", "before the start", at=NOW))
        await chronicle.tick(NOW)
        await store.write(
            lambda rows: events.add(rows, "proven", "restarted", at=NOW, incident="INC-1", target="shop", **data)
        )
        await store.write(lambda rows: events.add(rows, "escalated", "needs a person", at=NOW, incident="INC-1"))
        await chronicle.tick(NOW)
        await chronicle.tick(NOW)
    first, second = caplog.records
    assert (first.message, first.levelname) == ("proven", "INFO")
    told = {name: vars(first)[name] for name in ("incident", "target", "actor", "action", "ok", "seconds", "says")}
    assert told == {
        "incident": "INC-1", "target": "shop", "actor": "agent", "action": "docker.restart", "ok": True, "seconds": 0.6,
        "says": "restarted",
    }  # fmt: skip
    assert (second.message, second.levelname) == ("escalated", "WARNING")
