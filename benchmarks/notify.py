"""How people are told: nothing lost and nothing out of order, how soon, how often for one outage, and at what cost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.client import body
from benchmarks.table import Row, median, share
from benchmarks.usage import rss
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Notice
from devops_agent.store import deliveries, heartbeats, outbox
from devops_agent.store.rows import Rows
from devops_agent.workers.lines import AT_ONCE
from tests.real.running import Site, site, until

_FAILURES = 0.2
"""Share of requests that the other side refuses for the moment."""
_INCIDENTS = 500
_SOON = 3.0
"""Seconds within which people are told."""
_MOST = 3
"""Messages to one person for one outage."""
_PEOPLE = ("alice", "bob", "carol")
_WINDOW = 2
"""Seconds that a first notice waits for what belongs to it, as the settings have it when they say nothing."""
_SETTLED = 15.0
"""Seconds without a further message after which an outage counts as told."""


def measure(*, quick: bool) -> list[Row]:
    """Return rows for many notices, for kills in mid-send, for how soon, and for one outage."""
    return [
        *asyncio.run(_many(500 if quick else 10_000)),
        *asyncio.run(_killed(200 if quick else 2_000, kills=2 if quick else 6)),
        *asyncio.run(_soon(warm=3 if quick else 30, cold=1 if quick else 6, window=_WINDOW)),
        *asyncio.run(_soon(warm=3 if quick else 100, cold=1 if quick else 6, window=0)),
        *asyncio.run(_outage(2_800 if quick else 28_000)),
    ]


async def _many(notices: int) -> list[Row]:
    chance = random.Random(4)  # noqa: S311 — repeatable, not secret
    async with _receiver(lambda _: 503 if chance.random() < _FAILURES else 200) as told, _site(told.port) as made:
        memory = asyncio.create_task(_memory(made, told, notices))
        began = time.monotonic()
        await _put(made, notices)
        await _all_told(made, told, notices, within=300)
        seconds, most = told.taken[-1].at - began, told.taken[int(notices * 0.99) - 1].at - began
        used = await memory
    says = f"{notices:,} notices, {_FAILURES:.0%} refused at first"
    return [
        Row(what=f"{says}: told in", value=seconds, unit="s", below=60),
        Row(what=f"{says}: 99 % told at", value=notices * 0.99 / most, unit="notices/s"),
        *_kept(told, notices, says),
        Row(what=f"{says}: told twice", value=told.repeats, unit="", below=1),
        Row(what="RSS of the worker process at most, webhook channel", value=used, unit="MB", below=60),
    ]


async def _killed(notices: int, *, kills: int) -> list[Row]:
    """Kill the worker process while the other side holds back its answer, again and again."""
    due = [notices * (number + 1) // (kills + 1) for number in range(kills)]

    async def kill_now_and_then(_: Taken) -> int:
        if due and len(told.taken) >= due[0]:
            del due[0]
            await _kill(made)
        return 200

    async with _receiver(kill_now_and_then) as told, _site(told.port) as made:
        await _put(made, notices)
        await _all_told(made, told, notices, within=300)
        counted = (await made.store.read(deliveries.counts)).get(("hook", "repeated"), 0)
    says = f"{notices:,} notices, {kills} kills (-9) in mid-send"
    return [
        *_kept(told, notices, says),
        Row(what=f"{says}: told twice", value=told.repeats, unit="", below=kills * AT_ONCE + 1),
        Row(what=f"{says}: counted as perhaps told twice", value=counted, unit="", above=told.repeats - 1),
    ]


async def _soon(*, warm: int, cold: int, window: int) -> list[Row]:
    """Measure from a fact's commit to its arrival; a first notice waits `window` seconds for what belongs to it."""
    async with _receiver(lambda _: 200) as told, _site(told.port, idle=4, window=window) as made:
        first = [await _one(made, told, f"cold-{number}", cold=True) for number in range(cold)]
        later = [await _one(made, told, f"warm-{number}", cold=False) for number in range(warm)]
    says = f"committed → told, group_window {window} s"
    return [
        Row(what=f"{says}, process not running, median of {cold}", value=median(first), unit="s"),
        Row(what=f"{says}, process not running, worst", value=max(first), unit="s", below=_SOON),
        Row(what=f"{says}, process running, median of {warm}", value=median(later), unit="s"),
        Row(what=f"{says}, process running, p99", value=share(later, 0.99), unit="s", below=_SOON),
    ]


async def _outage(alerts: int) -> list[Row]:
    """One outage as Alertmanager tells it: many kinds of alerts on many services that are all down at once."""
    async with _receiver(lambda _: 200) as told, _site(told.port, people=_PEOPLE, targets=40) as made:
        start = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        for number in range(alerts // 100):
            sent = _on_targets(body(number, size=100, kinds=280, start=start), targets=40)
            headers = {"Authorization": f"Bearer {made.owner}", "Content-Type": "application/json"}
            async with made.http.post(f"{made.url}/webhook/alerts", data=sent, headers=headers) as answer:
                answer.raise_for_status()
        await told.quiet(_SETTLED, at_most=180)
        incidents = await made.store.read(_incidents)
    each = Counter(one.place for one in told.taken)
    return [
        Row(what=f"{alerts:,} alerts of one outage: incidents", value=incidents, unit=""),
        Row(what=f"{alerts:,} alerts of one outage: messages to each person at most", value=max(each.values()),
            unit="", below=_MOST + 1),
        Row(what=f"{alerts:,} alerts of one outage: people told", value=len(each), unit="", above=len(_PEOPLE) - 1),
    ]  # fmt: skip


def _kept(told: Receiver, notices: int, says: str) -> list[Row]:
    return [
        Row(what=f"{says}: lost", value=notices - len(told.seen), unit="", below=1),
        Row(what=f"{says}: out of their incident's order", value=told.out_of_order, unit="", below=1),
    ]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A request that came in."""

    key: str
    place: str
    """Its path: whom it is for."""
    thread: str
    at: float
    number: int
    """Of its notice, in the order of writing; -1: it has none."""


@dataclass(kw_only=True)
class Receiver:
    """The other side of a webhook channel."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    repeats: int = 0
    out_of_order: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    _last: dict[str, int] = field(default_factory=dict)

    def take(self, one: Taken) -> None:
        """Keep what people would see."""
        self.taken.append(one)
        if one.key in self.seen:
            self.repeats += 1
        else:
            self.out_of_order += one.number < self._last.get(one.thread, -1)
            self._last[one.thread] = one.number
        self.seen.add(one.key)
        self.came.set()

    async def quiet(self, seconds: float, *, at_most: float) -> None:
        """Wait until nothing has come for some seconds, after something has."""
        end = time.monotonic() + at_most
        while time.monotonic() < end:
            self.came.clear()
            try:
                await asyncio.wait_for(self.came.wait(), seconds)
            except TimeoutError:
                if self.taken:
                    return


@asynccontextmanager
async def _receiver(decide: Callable[[Taken], Any]) -> AsyncIterator[Receiver]:
    """Serve HTTP; `decide` says, perhaps after a while, with which status a request is answered."""
    told = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                content = await reader.readexactly(int(length.split(b":")[1]))
                request = _request(head, content)
                status = decide(request)
                status = await status if asyncio.iscoroutine(status) else status
                if status == 200:
                    told.take(request)
                writer.write(f"HTTP/1.1 {status} Told\r\nContent-Length: 2\r\n\r\n{{}}".encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()


def _request(head: bytes, content: bytes) -> Taken:
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"idempotency-key:")).decode()
    name = key.partition(":")[2].strip()
    said = json.loads(content)
    number = name.split("/")[0].rpartition("#")[2]
    return Taken(
        key=name,
        place=head.split(b" ", 2)[1].decode(),
        thread=str(said.get("subject", "")),
        at=time.monotonic(),
        number=int(number) if number.isdigit() else -1,
    )


@asynccontextmanager
async def _site(
    port: int, *, people: tuple[str, ...] = (), targets: int = 0, idle: int = 60, window: int = _WINDOW
) -> AsyncIterator[Site]:
    """Run the product with a webhook channel; for people, with one for each of them. `idle`, `window`: seconds."""
    url = f"http://127.0.0.1:{port}"
    channels = [{"name": f"{name}-hook", "via": "webhook", "options": {"url": f"{url}/{name}"}} for name in people]
    settings = {
        "investigation": {"enabled": False, "start_worker": False, "idle": f"{idle}s"},
        "notify": {
            "channels": channels or [{"name": "hook", "via": "webhook", "options": {"url": url}}],
            "people": [{"name": name, "channels": [f"{name}-hook"]} for name in people],
            "routes": [{"tell": list(people)}] if people else [],
            "group_window": f"{window}s",
            "per_hour": 1_000,
        },
        "targets": _targets(targets) if targets else [],
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with site(Path(folder), settings) as made:
            await made.start()
            yield made


def _targets(count: int) -> list[dict[str, Any]]:
    """Return services that nobody can reach, and the database that all of them need."""
    dead = {"url": "http://127.0.0.1:9", "paths": {"resources": False, "status": False, "system": False}}
    services = [{"name": f"service-{number}", "depends_on": ["database"], **dead} for number in range(count)]
    return [{"name": "database", **dead}, *services]


def _on_targets(sent: bytes, *, targets: int) -> bytes:
    """Return a webhook whose alerts are about these targets, one after the other."""
    told = json.loads(sent)
    for alert in told["alerts"]:
        kind = int(alert["labels"]["service"].rpartition("-")[2])
        alert["labels"] |= {"service": f"service-{kind % targets}", "severity": "critical"}
    return json.dumps(told).encode()


async def _put(made: Site, notices: int) -> None:
    """Write notices, those of one incident far apart from each other, in a few transactions."""
    for begin in range(0, notices, 1_000):
        numbers = range(begin, min(begin + 1_000, notices))
        await made.store.write(lambda rows, numbers=numbers: _write(rows, numbers), tell=(outbox.QUEUE,))  # type: ignore[misc]


def _write(rows: Rows, numbers: range) -> None:
    for number in numbers:
        outbox.put(rows, _notice(f"many#{number}", incident=f"INC-{900_000 + number % _INCIDENTS}"))


def _notice(key: str, *, incident: str = "", kind: str = "report") -> Notice:
    """Return a notice that its kind keeps from being put together with others, and from every limit."""
    message = {"title": f"{incident} {key}", "says": "measured, not meant", "tell": ["hook"]}
    return Notice(
        key=key,
        incident=incident,
        kind=kind,
        severity=Severity.CRITICAL,
        message=message if kind == "report" else {**message, "tell": []},
        created_at=datetime.now(UTC),
    )


async def _one(made: Site, told: Receiver, key: str, *, cold: bool) -> float:
    """Return the seconds from a notice's commit to its arrival."""
    if cold:
        await until(lambda: _process_is(made, running=False), "the worker process to end", within=30)
    told.came.clear()
    before = len(told.taken)
    await made.store.write(lambda rows: outbox.put(rows, _notice(key, kind="frozen")), tell=("events",))
    began = time.monotonic()
    await asyncio.wait_for(told.came.wait(), 30)
    return told.taken[before].at - began


async def _all_told(made: Site, told: Receiver, notices: int, *, within: float) -> None:
    async def settled() -> bool:
        return len(told.seen) >= notices and await made.store.read(outbox.pending) == 0

    await until(settled, f"{notices} notices to be told:\n{made.log(5)}", within=within)


async def _pid(made: Site) -> int:
    beat = (await made.store.read(heartbeats.all_)).get("notify")
    return beat.pid if beat is not None and Path(f"/proc/{beat.pid}").exists() else 0


async def _process_is(made: Site, *, running: bool) -> bool:
    return bool(await _pid(made)) == running


async def _kill(made: Site) -> None:
    if pid := await _pid(made):
        os.kill(pid, signal.SIGKILL)


async def _memory(made: Site, told: Receiver, notices: int) -> float:
    """Return the most megabytes that the worker process had until all was told."""
    most = 0.0
    while len(told.seen) < notices:
        with suppress(OSError):
            pid = await _pid(made)
            most = max(most, rss(pid) if pid else 0.0)
        await asyncio.sleep(0.2)
    return most


def _incidents(rows: Rows) -> int:
    found = rows.one("SELECT count(*) AS n FROM incidents")
    return int(found["n"]) if found else 0
