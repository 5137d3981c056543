"""The worker process for notices with PAM as its channel: what is told while PAM is away, and what it may ask."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.app.worker import Worker
from devops_agent.config.settings import Flags, Settings
from devops_agent.engine import escalate
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify
from devops_agent.store import Store, incidents, open_store, outbox
from tests.plugins.channels import secret_file
from tests.plugins.pam.server import PamServer, pam_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from devops_agent.store.rows import Rows

pytestmark = pytest.mark.slow


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


@pytest.fixture
async def pam() -> AsyncIterator[PamServer]:
    async with pam_server() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, pam: PamServer) -> Settings:
    options = {"url": pam.url, "user_id": "u-1", "token_file": secret_file(tmp_path, "t0ken"), "timeout": 0.3}
    channels = (Channel(name="assistant", via="pam", options=options),)
    return Settings(flags=Flags(PAM_INTEGRATION_ENABLED=True), notify=Notify(channels=channels))


@asynccontextmanager
async def working(settings: Settings, store: Store) -> AsyncIterator[None]:
    """Run the worker for notices."""
    stop = asyncio.Event()
    worker = Worker(settings, store, clock=SystemClock(), queues=[outbox.QUEUE])
    task = asyncio.create_task(worker.run(stop, idle=None, parent=0))
    yield
    stop.set()
    await task


async def escalated(store: Store, settings: Settings) -> str:
    """Open an incident that needs a person, and tell of it."""

    def work(rows: Rows, now: datetime) -> str:
        incident = incidents.open_(
            rows, target="api", cause_group="g", kind="down", severity=Severity.CRITICAL, title="is down", now=now
        )
        steps = ("look at the log",)
        escalate.tell(
            rows, incident, kind="escalated", says="it did not help", next_steps=steps, settings=settings, now=now
        )
        return incident.id

    now = SystemClock().now()
    return await store.write(lambda rows: work(rows, now), tell=("events", outbox.QUEUE))


async def test_what_is_told_while_pam_is_away_comes_later_and_once(
    settings: Settings, store: Store, pam: PamServer
) -> None:
    pam.away = True
    async with working(settings, store):
        incident = await escalated(store, settings)
        for _ in range(5):  # the one who stays connected tries, too
            await pam.turned_away.get()
        pam.away = False
        await pam.came.get()
    [shown] = pam.shown.values()
    assert shown["incident"] == incident
    assert pam.handed == [shown["id"]]


async def test_a_receipt_that_got_lost_makes_no_second_message(
    settings: Settings, store: Store, pam: PamServer
) -> None:
    pam.drops = 3
    async with working(settings, store):
        await escalated(store, settings)
        for _ in range(4):
            await pam.came.get()
    assert len(set(pam.handed)) == len(pam.shown) == 1


async def test_pam_may_ask_at_any_moment(settings: Settings, store: Store, pam: PamServer) -> None:
    async with working(settings, store):
        await pam.connected.wait()
        assert (await pam.ask("q-1", "how are things?"))["text"] == "No incident is open."
        incident = await escalated(store, settings)
        told = await pam.ask("q-2", f"what about {incident}?")
        assert told["text"].startswith(f"{incident} is open.")
