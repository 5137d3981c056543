"""How many alerts can be taken, and how soon they are acknowledged, beside Alertmanager's own intake; and a flood."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.table import Row, share
from benchmarks.usage import rss
from devops_agent.model.incident import Status
from devops_agent.store.rows import Rows
from tests.real.parts import Server, find, start_alertmanager
from tests.real.running import Site, site, until

_SIZES = (1, 10, 100)
_CONNECTIONS = 16
_FORWARDING_NOTHING = "route: {receiver: none}\nreceivers: [{name: none}]\n"
_NEW_ABOVE = 15_000.0
_TIMES_PEER = 2.0


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """What one run of wrk came to."""

    alerts_per_second: float
    p50: float
    """Milliseconds."""
    p99: float
    failed: int


def measure(*, quick: bool) -> list[Row]:
    """Return throughput, latency and the cost of a flood."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        (Path(folder) / "peer").mkdir()
        peer = start_alertmanager(Path(folder) / "peer", _FORWARDING_NOTHING)
        try:
            return asyncio.run(_measure(Path(folder), peer, quick=quick))
        finally:
            peer.stop()


async def _measure(folder: Path, peer: Server, *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    seconds = 1 if quick else 6
    async with site(folder / "ours", {}) as made:
        await made.start()
        for kind in ("repeat", "new"):
            for size in _SIZES:
                theirs = await _wrk(f"{peer.url}/api/v2/alerts", "list", kind, size, seconds=seconds)
                ours = await _wrk(
                    f"{made.url}/webhook/alerts", "webhook", kind, size, token=made.owner, seconds=seconds
                )
                rows += _compared(kind, size, ours, theirs)
    async with site(folder / "steady", {}) as made:
        await made.start()
        rows += await _steady(made, seconds=2 if quick else 15)
    async with site(folder / "flood", {}) as made:
        await made.start()
        rows += await _flood(made, alerts=5_000 if quick else 100_000, kinds=50 if quick else 1_000)
    return rows


async def _wrk(url: str, form: str, kind: str, size: int, *, seconds: int, token: str = "") -> _Taken:
    script = str(Path(__file__).with_name("wrk.lua"))
    start = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = f"{size:03d}{'n' if kind == 'new' else 'r'}"
    options = (find("wrk"), "--threads=1", f"--connections={_CONNECTIONS}", f"--duration={seconds}s", "--timeout=10s")
    said = await _output(*options, f"--script={script}", url, "--", form, kind, str(size), token, start, run)
    told = json.loads(said.splitlines()[-1])
    return _Taken(
        alerts_per_second=told["requests"] * size / told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
        failed=told["failed"],
    )


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
    return said.decode()


def _compared(kind: str, size: int, ours: _Taken, theirs: _Taken) -> list[Row]:
    says = f"{'repeats' if kind == 'repeat' else 'new, durable'}, {size} a request"
    budget = None
    if size == max(_SIZES):
        budget = _NEW_ABOVE if kind == "new" else theirs.alerts_per_second * _TIMES_PEER
    rows = [
        Row(what=f"{says}: taken", value=ours.alerts_per_second, unit="alerts/s", above=budget,
            peer="Alertmanager (in memory)", peer_value=theirs.alerts_per_second),
        Row(what=f"{says}: answered, p50", value=ours.p50, unit="ms", peer="Alertmanager", peer_value=theirs.p50),
        Row(what=f"{says}: answered, p99", value=ours.p99, unit="ms", peer="Alertmanager", peer_value=theirs.p99),
    ]  # fmt: skip
    if ours.failed or theirs.failed:
        rows.append(Row(what=f"{says}: not taken", value=ours.failed, unit="requests", below=1,
                        peer="Alertmanager", peer_value=theirs.failed))  # fmt: skip
    return rows


async def _steady(made: Site, *, seconds: int) -> list[Row]:
    rate = 200
    told = await _client(made, requests=rate * seconds, size=10, kinds=20, rate=rate)
    lost = 10 * rate * seconds - await made.store.read(_alerts)
    latencies = [1000 * one for one in told["latencies"]]
    says = "10 alerts, 200 requests/s"
    return [
        Row(what=f"{says}: acknowledged, p50", value=share(latencies, 0.5), unit="ms"),
        Row(what=f"{says}: acknowledged, p99", value=share(latencies, 0.99), unit="ms", below=25),
        Row(what=f"{says}: lost or refused", value=lost + told["failed"], unit="alerts", below=1),
    ]


async def _flood(made: Site, *, alerts: int, kinds: int) -> list[Row]:
    pids = {role: await made.pid_of(role) for role in ("agent", "web")}
    before = {role: rss(pid) for role, pid in pids.items()}
    most = dict(before)

    async def look() -> None:
        while True:
            for role, pid in pids.items():
                most[role] = max(most[role], rss(pid))
            await asyncio.sleep(0.2)

    looking = asyncio.create_task(look())
    told = await _client(made, requests=alerts // 100, size=100, kinds=kinds, rate=0)
    await until(lambda: made.store.read(_answered), "an answer to every incident", within=300)
    await asyncio.sleep(5)
    looking.cancel()
    says = f"flood of {alerts:,} alerts of {kinds:,} kinds"
    rows = [
        Row(what=f"{says}: taken", value=alerts / told["seconds"], unit="alerts/s"),
        Row(what=f"{says}: lost", value=alerts - await made.store.read(_alerts), unit="alerts", below=1),
        Row(what=f"{says}: requests refused", value=told["failed"], unit="requests", below=1),
        Row(what=f"{says}: incidents", value=await made.store.read(_incidents), unit="incidents", below=kinds + 1),
    ]
    for role, pid in pids.items():
        rows += [
            Row(what=f"{says}: RSS of {role} before", value=before[role], unit="MB"),
            Row(what=f"{says}: RSS of {role} at most", value=most[role], unit="MB"),
            Row(what=f"{says}: RSS of {role} after", value=rss(pid), unit="MB"),
        ]
    return rows


async def _client(made: Site, *, requests: int, size: int, kinds: int, rate: int) -> dict[str, Any]:
    options = (f"--requests={requests}", f"--size={size}", f"--kinds={kinds}", f"--rate={rate}")
    said = await _output(sys.executable, "-m", "benchmarks.client", str(made.port), made.owner, *options)
    told: dict[str, Any] = json.loads(said)
    return told


def _alerts(rows: Rows) -> int:
    return _count(rows, "SELECT count(*) AS n FROM alerts")


def _incidents(rows: Rows) -> int:
    return _count(rows, "SELECT count(*) AS n FROM incidents")


def _answered(rows: Rows) -> bool:
    """Whether every incident is a person's or resolved."""
    open_ = "SELECT count(*) AS n FROM incidents WHERE status NOT IN "
    return not _count(rows, f"{open_}('{Status.ESCALATED}', '{Status.RESOLVED}')")


def _count(rows: Rows, sql: str) -> int:
    row = rows.one(sql)
    return int(row["n"]) if row else 0
