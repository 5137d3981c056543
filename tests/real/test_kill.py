"""kill -9 of the real processes: of the agent at every boundary of a response, of web in the middle of a flood."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devops_agent import __version__
from devops_agent.config.load import load
from devops_agent.engine.ground import ground_of
from devops_agent.engine.receive import receive
from devops_agent.kit import proc
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.attempt import Outcome
from devops_agent.model.incident import Status
from devops_agent.store import alerts, attempts, events, incidents
from tests.real.parts import Docker
from tests.real.running import Site, marked, site, until

AT_ONCE = 3
"""Cases under way at the same time."""
FLOOD = 3_000
"""Alerts."""
KILLS = 5


@dataclass(frozen=True, kw_only=True)
class Case:
    """A site in whose target something is wrong, and the question whether that was mended, once."""

    made: Site
    alert: Alert
    check: Callable[[], None]


Plot = Callable[[Path, str], AbstractAsyncContextManager[Case]]


@asynccontextmanager
async def dead_process(folder: Path, name: str) -> AsyncIterator[Case]:
    starts = folder / "starts"
    command = ["sh", "-c", f"echo started >> {starts}; exec sleep 100000"]
    target = {"name": name, "process": {"command": command}, "start_period": "0s"}
    settings = settings_with(folder, runbook("service-down", "down", "process.restart", {"state": "running"}))

    def check() -> None:
        assert starts.read_text() == "started\n"
        assert len(marked(name)) == 1

    async with site(folder, {**settings, "targets": [target]}) as made:
        yield Case(made=made, alert=alert("ServiceDown", name), check=check)


@asynccontextmanager
async def dead_container(folder: Path, name: str, *, engine: Docker) -> AsyncIterator[Case]:
    folder.mkdir(parents=True)
    command = ("sh", "-c", "echo started >> /data/starts; exec sleep 100000")
    engine.run("shop:1", name, "--volume", f"{folder}:/data", command=command)
    starts = folder / "starts"
    await until(lambda: exists(starts), f"{name} to start")
    engine.say("kill", name)
    settings = settings_with(folder, runbook("service-down", "down", "docker.restart", {"state": "running"}))
    plugins = {"docker": {"socket": engine.socket, "discover": False}}

    def check() -> None:
        assert starts.read_text() == "started\n" * 2
        assert engine.say("inspect", "--format", "{{.State.Running}}", name) == "true"

    try:
        async with site(folder, {**settings, "plugins": plugins, "targets": [{"docker": name}]}) as made:
            yield Case(made=made, alert=alert("ServiceDown", name), check=check)
    finally:
        engine.remove(name)


@asynccontextmanager
async def full_disk(folder: Path, name: str) -> AsyncIterator[Case]:
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    kept = disk / "of-today.tmp"
    old = [disk / f"old-{number}.tmp" for number in range(7)]
    for file in (*old, kept):
        file.write_bytes(b"x" * 500_000)
    for file in old:
        os.utime(file, (0, 0))
    rule = {"root": str(disk), "patterns": ["*.tmp"], "older_than": "1h"}
    target = {"name": name, "options": {"path": str(disk)}, "clean": [rule]}
    book = runbook("disk-filling", "disk_filling", "host.clean", {"in_band": ["disk_cleanup_percent"]})
    settings = settings_with(folder, book)

    def check() -> None:
        assert [file.name for file in disk.iterdir()] == [kept.name]

    try:
        plugins = {"host": {"allowed_roots": [str(disk)]}}
        async with site(folder, {**settings, "plugins": plugins, "targets": [target]}) as made:
            yield Case(made=made, alert=alert("DiskFilling", name), check=check)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def runbook(name: str, kind: str, action: str, proof: dict[str, Any]) -> dict[str, Any]:
    """Return a shipped runbook without what takes time."""
    step = {"name": "mend", "action": action, "proof": {"within": "20s", **proof}}
    says = "As shipped, but it settles at once."
    return {"name": name, "says": says, "match": {"kinds": [kind]}, "steps": [step], "settle": "0s"}


def settings_with(folder: Path, book: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that all cases share: only the alert from outside begins anything."""
    books = folder / "runbooks"
    books.mkdir(parents=True)
    (books / f"{book['name']}.yaml").write_text(json.dumps(book))
    return {
        "runbooks": [str(books)],
        "flags": {"AUTONOMOUS_MONITORING_ENABLED": False},
        "investigation": {"enabled": False, "start_worker": False},  # dozens of lives, each of which would begin a look
    }


def alert(name: str, target: str) -> Alert:
    labels = {"alertname": name, "service": target, "severity": "critical"}
    return Alert(
        fingerprint=fingerprint(labels),
        status=AlertStatus.FIRING,
        labels=labels,
        starts_at=datetime.now(UTC),
        source="alertmanager",
    )


async def exists(file: Path) -> bool:
    return file.exists()


async def deliver(made: Site, said: Alert) -> None:
    """Take in an alert as web does before it acknowledges it."""
    ground = ground_of(load(made.config, environ={}), discovered=(), version=__version__)
    now = datetime.now(UTC)
    await made.store.write(lambda rows: receive(rows, [said], ground=ground, now=now), tell=("respond", "events"))


async def clear(case: Case) -> None:
    """Deliver the end of the alert as soon as the response waits for nothing else."""

    async def waits() -> bool:
        row = await case.made.store.read(lambda rows: rows.one("SELECT waits_on FROM runs WHERE status = 'parked'"))
        return row is not None and "from outside" in row["waits_on"]

    await until(waits, "the response to wait for the alert's end")
    await deliver(case.made, case.alert.with_(status=AlertStatus.RESOLVED, ends_at=datetime.now(UTC)))


async def play(case: Case, *kills: int) -> list[str]:
    """Let the agent live, killed at a boundary in each of its first lives; return the boundaries of the first."""
    names = case.made.folder / "boundaries"
    await deliver(case.made, case.alert)
    clearing = asyncio.create_task(clear(case))
    for number, kill in enumerate(kills):
        options = ("--names", str(names)) if number == 0 else ()
        dying = case.made.spawn_agent(*options, "--kill", str(kill))
        assert await asyncio.to_thread(dying.process.wait, 60) == -signal.SIGKILL
    last = case.made.spawn_agent(*(() if kills else ("--names", str(names))))
    await clearing

    async def over() -> bool:
        left = "SELECT count(*) AS n FROM runs WHERE queue = 'respond' AND status <> 'done'"
        row = await case.made.store.read(lambda rows: rows.one(left))
        return row is not None and row["n"] == 0

    await until(over, "the response to end")
    last.process.terminate()
    assert await asyncio.to_thread(last.process.wait, 60) == 0
    return names.read_text().splitlines()


async def check(case: Case) -> list[tuple[str, str]]:
    """Everything was finished, once, and told once; return the timeline without what differs from run to run."""
    store = case.made.store
    case.check()
    [incident] = await store.read(incidents.page)
    assert incident.status is Status.RESOLVED, incident.reason
    [attempt] = await store.read(lambda rows: attempts.of_incident(rows, incident.id))
    assert attempt.outcome is Outcome.HEALED
    [kept] = await store.read(lambda rows: alerts.of_incident(rows, incident.id))
    assert (kept.fingerprint, kept.status) == (case.alert.fingerprint, AlertStatus.RESOLVED)
    assert await store.read(events.broken_link) is None
    told = await case.made.timeline(incident.id)
    # Ids, times and figures differ from run to run.
    return [(event.kind, event.says.replace(incident.target, "it").split(":")[0].split("(")[0]) for event in told]


async def undisturbed(plot: Plot, folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the boundaries and the timeline of a life without kills."""
    async with plot(folder, f"unkilled-{os.getpid()}") as case:
        return await play(case), await check(case)


async def kill_everywhere(plot: Plot, folder: Path, *, every: int = 1) -> None:
    names, timeline = await undisturbed(plot, folder / "undisturbed")
    assert len(names) > 20, names
    failures = []
    slots = asyncio.Semaphore(AT_ONCE)

    async def die_at(moment: int) -> None:
        async with slots, plot(folder / str(moment), f"killed-{os.getpid()}-{moment}") as case:
            try:
                assert (await play(case, moment))[-1] == names[moment]
                assert await check(case) == timeline
            except AssertionError as error:
                story = await case.made.story()
                failures.append(f"killed at {moment} ({names[moment]}): {error}\n{story}\n{case.made.log()}")

    await asyncio.gather(*(die_at(moment) for moment in range(0, len(names), every)))
    assert not failures, f"{len(failures)} of {len(names)}\n" + "\n\n".join(failures[:3])


@pytest.mark.timeout(400)
async def test_killed_at_any_boundary_of_a_restart_the_agent_finishes_it_once(tmp_path: Path) -> None:
    await kill_everywhere(dead_process, tmp_path)


@pytest.mark.timeout(400)
async def test_killed_at_any_boundary_of_a_clean_up_the_agent_finishes_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    await kill_everywhere(full_disk, tmp_path)


@pytest.mark.timeout(400)
async def test_killed_around_the_restart_of_a_container_the_agent_restarts_it_once(
    docker_engine: Docker, tmp_path: Path
) -> None:
    docker_engine.busybox("shop:1")
    await kill_everywhere(partial(dead_container, engine=docker_engine), tmp_path, every=3)


class Sender:
    """Posts alerts as Alertmanager does: again and again until each is acknowledged."""

    def __init__(self, made: Site) -> None:
        self._made = made
        self.acknowledged: set[str] = set()
        self.again = 0
        """Posts that were broken off or answered with 5xx."""

    async def post(self, number: int) -> None:
        labels = {"alertname": "ServiceDown", "service": "flooded", "number": str(number)}
        said = {"status": "firing", "labels": labels, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z"}
        body = {"version": "4", "status": "firing", "groupLabels": {}, "alerts": [said]}
        url, headers = f"{self._made.url}/webhook/alerts", {"Authorization": f"Bearer {self._made.owner}"}
        while True:
            try:
                async with self._made.http.post(url, json=body, headers=headers) as answer:
                    if answer.status == 202:
                        self.acknowledged.add(str(number))
                        return
                    assert answer.status >= 500, await answer.text()
            except aiohttp.ClientConnectorError as error:
                raise AssertionError(f"refused: {error}") from error
            except aiohttp.ClientError:
                pass
            self.again += 1
            await asyncio.sleep(0.05)


def web_of(parent: int) -> int:
    """Return the process id of web; 0 while there is none."""
    return next((pid for pid in proc.children(parent) if "devops_agent.app.web" in proc.argv(pid)), 0)


async def test_web_killed_again_and_again_in_a_flood_loses_and_doubles_nothing(tmp_path: Path) -> None:
    target = {"name": "flooded", "process": {"command": ["sleep", "100000"]}, "manage": False}
    settings = {"flags": {"AUTONOMOUS_MONITORING_ENABLED": False}, "targets": [target]}
    async with site(tmp_path, settings) as made:
        parent = await made.start()
        sender = Sender(made)
        slots = asyncio.Semaphore(20)

        async def post(number: int) -> None:
            async with slots:
                await sender.post(number)

        flood = asyncio.gather(*(post(number) for number in range(FLOOD)))

        async def kill() -> None:
            for number in range(1, KILLS + 1):
                await until(partial(reached, sender, FLOOD * number // (KILLS + 1)), "the flood to go on")
                os.kill(web_of(parent.process.pid), signal.SIGKILL)

        await asyncio.gather(flood, kill())
        rows = await made.store.read(lambda rows: rows.all("SELECT alert_json FROM alerts"))
        kept = [json.loads(row["alert_json"])["labels"]["number"] for row in rows]
        assert sender.again >= KILLS
        assert len(sender.acknowledged) == FLOOD
        assert len(kept) == len(set(kept)) == FLOOD
        assert sender.acknowledged == set(kept)
        assert len(await made.store.read(incidents.page)) == 1
        assert await made.store.read(events.broken_link) is None


async def reached(sender: Sender, number: int) -> bool:
    return len(sender.acknowledged) >= number
