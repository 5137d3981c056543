"""Rehearse a runbook: what it would do about a recorded alert, and what the guard would say; executes nothing."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app.clock import SystemClock
from devops_agent.app.parts import actions_of, build_parts
from devops_agent.app.protect import NeverTouch
from devops_agent.app.receivers import build_receivers
from devops_agent.cli.call import Call, Trouble
from devops_agent.cli.exits import Exit
from devops_agent.cli.ordering import see_target
from devops_agent.cli.starting import load_all
from devops_agent.config.secrets import read_secret
from devops_agent.engine import stock
from devops_agent.engine.ground import ground_of
from devops_agent.engine.look import Eyes
from devops_agent.engine.rehearse import Occasion, Rehearsal, decide, on_alert
from devops_agent.engine.rehearse import rehearse as run_through
from devops_agent.engine.site import Site
from devops_agent.model.identity import Identity, Protected, forbids
from devops_agent.ports import ReceiveError, Untouchable
from devops_agent.store import heartbeats, open_store, targets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from devops_agent.app.parts import Parts
    from devops_agent.config.settings import Settings
    from devops_agent.model.alert import Alert
    from devops_agent.model.runbook import Plan, Runbook
    from devops_agent.model.sighting import Sighting
    from devops_agent.model.target import Target
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows


async def rehearse(call: Call, book: Runbook, content: bytes, *, name: str) -> list[Rehearsal]:
    """Return what `book` would do about each alert in `content`, on the target `name` if it is given.

    Raises:
        Trouble: the alerts cannot be read, or name no known target.

    """
    alerts = read_alerts(content)
    loaded = load_all(call)
    settings = loaded.settings
    books = tuple({**{one.name: one for one in loaded.runbooks}, book.name: book}.values())
    async with _store(settings) as store:
        seen = {one.target.name: one for one in await store.read(targets.all_)}
        beats = await store.read(heartbeats.all_)
        guardian = _AlsoTheRoles(settings, frozenset(beat.pid for beat in beats.values() if beat.pid))
        parts = build_parts(settings, guardian=guardian, clock=SystemClock())
        try:
            site = _site(settings, store, parts, guardian, seen=seen, books=books)
            return [await _one(alert, book, site, settings, name=name) for alert in alerts]
        finally:
            await parts.close()


def read_alerts(content: bytes, *, now: datetime | None = None) -> Sequence[Alert]:
    """Return the alerts of a recorded body, whoever sent it; one alert alone will do.

    `now` stands in for times that are not in it; None: the real time.

    Raises:
        Trouble: it is none.

    """
    receivers = build_receivers()
    try:
        tree = json.loads(content)
    except ValueError as error:
        raise Trouble(f"cannot read the alert as JSON: {error}", Exit.USAGE) from error
    if isinstance(tree, dict) and "alerts" not in tree and isinstance(tree.get("labels"), dict):
        tree = [tree]
    kind = "alertmanager" if isinstance(tree, list) or "groupKey" in tree else "generic"
    if isinstance(tree, dict) and ("orgId" in tree or "dashboardURL" in str(tree.get("alerts", ""))):
        kind = "grafana"
    try:
        delivery = receivers[kind].parse(json.dumps(tree).encode(), headers={}, now=now or SystemClock().now())
    except ReceiveError as error:
        raise Trouble(str(error), Exit.USAGE) from error
    if not delivery.alerts:
        raise Trouble("cannot test without an alert: the file holds none", Exit.USAGE)
    return delivery.alerts


async def _one(alert: Alert, book: Runbook, site: Site, settings: Settings, *, name: str) -> Rehearsal:
    def look(rows: Rows) -> tuple[Occasion, Rehearsal, Plan | None]:
        now = site.clock.now()
        target = _target(rows, alert, site, settings, name=name)
        occasion = on_alert(rows, alert, target=target, known=site, now=now)
        return occasion, *run_through(rows, book, occasion, known=site, now=now)

    occasion, told, made = await site.store.read(look)
    if made is None:
        return told
    touched = await stock.touched(made, occasion.target, site=site)
    decision = await site.store.read(
        lambda rows: decide(rows, made, occasion, touched=touched, known=site, now=site.clock.now())
    )
    return told.with_(decision=decision)


def _target(rows: Rows, alert: Alert, site: Site, settings: Settings, *, name: str) -> Target:
    if name:
        return see_target(rows, settings, name)
    found, word, label = site.ground().directory.find(alert.labels)
    if found is None:
        said = f"its label {label}={word!r} names none" if word else "it has no label that names one"
        raise Trouble(f"{alert.name or 'the alert'} is about no known target: {said}; give --target", Exit.NOT_FOUND)
    return found


def _site(
    settings: Settings,
    store: Store,
    parts: Parts,
    guardian: NeverTouch,
    *,
    seen: dict[str, Sighting],
    books: Sequence[Runbook],
) -> Site:
    clock = SystemClock()
    actions = actions_of(parts.actuators)
    ground = ground_of(settings, discovered=[one.target for one in seen.values()], version=__version__)
    return Site(
        store=store,
        clock=clock,
        eyes=Eyes(actuators=parts.actuators, probes=parts.probes, fallback=parts.fallback, clock=clock),
        actuators=parts.actuators,
        actions=actions,
        guardian=guardian,
        settings=lambda: settings,
        ground=lambda: ground,
        runbooks=lambda: books,
        sightings=lambda: seen,
        version=__version__,
    )


class _AlsoTheRoles(NeverTouch):
    """The never-touch set as the running agent has it: this process is not the agent, so its roles are named."""

    def __init__(self, settings: Settings, roles: frozenset[int]) -> None:
        super().__init__(lambda: settings)
        self._roles = Protected(what="the agent", why="it would stop itself", is_=Identity(pids=roles))

    def refuse(self, identity: Identity) -> None:
        """Raise Untouchable when `identity` is, or would touch, a role or a member of the set."""
        if (thing := forbids((self._roles,), identity)) is not None:
            raise Untouchable(thing)
        super().refuse(identity)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    """Open the store; an empty one of its own where there is none yet."""
    file = settings.database.removeprefix("sqlite:///")
    with TemporaryDirectory() as folder:
        fresh = file != settings.database and not Path(file).exists()  # noqa: ASYNC240 — one look at a local file
        url = f"sqlite:///{folder}/agent.db" if fresh else settings.database
        password = read_secret(settings.store_password_file) if settings.store_password_file else ""
        async with await open_store(url, password=password) as store:
            yield store
