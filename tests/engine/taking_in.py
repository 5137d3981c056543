"""What tests of taking in alerts share: alerts, a small world of targets, and a store without threads."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from devops_agent.config.settings import Maintenance
from devops_agent.engine.correlate import Grouping
from devops_agent.engine.ground import Ground
from devops_agent.engine.receive import Received, receive
from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.directory import Directory
from devops_agent.model.event import Event
from devops_agent.model.incident import Incident
from devops_agent.model.target import Target
from devops_agent.store import events, incidents, open_store
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.store.connecting import connect

TARGETS = (
    Target(name="web", depends_on=("api",)),
    Target(name="api", depends_on=("db",), aliases=("api-1",)),
    Target(name="db"),
    Target(name="mail"),
)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def alert(
    name: str = "ServiceDown", service: str = "api", *, began: float = 0, over: bool = False, **more: str
) -> Alert:
    """Return an alert; `more` are further labels."""
    labels = {"alertname": name, **({"service": service} if service else {}), **more}
    return Alert(
        fingerprint=fingerprint(labels),
        status=AlertStatus.RESOLVED if over else AlertStatus.FIRING,
        labels=labels,
        annotations={"summary": f"{name} on {service}"},
        starts_at=at(began),
        ends_at=at(began + 1) if over else None,
        source="alertmanager",
    )


def ground(targets: Iterable[Target] = TARGETS, *, maintenance: tuple[Maintenance, ...] = ()) -> Ground:
    return Ground(
        directory=Directory(targets),
        grouping=Grouping(window=timedelta(minutes=30), self_alerts=("DevopsAgent*",)),
        maintenance=maintenance,
        watchdog="AlwaysFiring",
        version="1",
    )


def deliver(rows: Rows, *batch: Alert, minutes: float = 0, on: Ground | None = None) -> Received:
    return receive(rows, batch, ground=on or ground(), now=at(minutes))


def all_incidents(rows: Rows) -> list[Incident]:
    """Return every incident, oldest first."""
    return incidents.page(rows)[::-1]


def timeline(rows: Rows, incident: str = "") -> list[Event]:
    return [event for event in events.after(rows, 0, limit=10_000) if incident in ("", event.incident)]


def kinds(rows: Rows, incident: str = "") -> list[str]:
    return [event.kind for event in timeline(rows, incident)]


@contextmanager
def one_transaction(folder: Path) -> Iterator[Connection]:
    """A transaction on an empty database, without the threads of the store; it is undone at the end."""

    async def migrate(url: str) -> None:
        await (await open_store(url)).close()

    url = f"sqlite:///{folder}/agent.db"
    asyncio.run(migrate(url))
    connection = connect(url)
    connection.begin()
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


@contextmanager
def undone(rows: Rows) -> Iterator[None]:
    """Undo at the end whatever is written in between."""
    rows.run("SAVEPOINT example")
    try:
        yield
    finally:
        rows.run("ROLLBACK TO SAVEPOINT example")
        rows.run("RELEASE SAVEPOINT example")
