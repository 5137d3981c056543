"""Attempts to make the agent act on itself, its database or the monitoring: all refused, each with its reason."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.app.protect import NeverTouch
from devops_agent.config.settings import Settings
from devops_agent.kit import proc
from devops_agent.kit.http import Http
from devops_agent.kit.testing import tools
from devops_agent.model.action import Step
from devops_agent.model.decision import Permission
from devops_agent.model.incident import Incident, Status
from devops_agent.model.target import Target
from devops_agent.plugins.docker.actuator import build
from devops_agent.ports import Untouchable
from devops_agent.store import attempts, events, incidents
from tests.real.parts import Docker, Postgres, Server
from tests.real.running import Site, site, until
from tests.real.test_heal_docker import RARE

ENABLE = ("--label", "devops-agent.enable=true")
RESTART = Step(name="restart", action="docker.restart")
MARKER = "touched"


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    docker_engine.busybox("shop:1")
    for tag in ("prom/prometheus:v2", "quay.io/prometheus/alertmanager:v0.25", "shop:2"):
        docker_engine.busybox(tag, command=("sleep", "500000" if tag == "shop:2" else "400000"))
    yield docker_engine
    docker_engine.remove_all()


def runbook(name: str, action: str) -> dict[str, Any]:
    """Return a runbook of an attacker's own, for alerts that name it."""
    match = {"alerts": ["HighLatency"], "labels": {"attack": name}}
    step = {"name": "attack", "action": action}
    return {"name": name, "says": "An attack.", "match": match, "priority": 100, "steps": [step], "settle": "0s"}


def settings_of(folder: Path, targets: list[dict[str, Any]], engine: Docker, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return settings that allow everything that can be allowed."""
    books = folder / "runbooks"
    books.mkdir()
    for book in (runbook("restart", "{via}.restart"), runbook("clean", "host.clean"), runbook("run", "command.touch")):
        (books / f"{book['name']}.yaml").write_text(json.dumps(book))
    command = {"argv": ["touch", str(folder / MARKER)], "risk": "safe"}
    return {
        "polling": RARE,
        "guard": {"managed_by_default": True, "risky": "auto", "dangerous": "auto", "min_confidence": 0},
        "runbooks": [str(books)],
        "plugins": {
            "docker": {"socket": engine.socket},
            "host": {"allowed_roots": [str(folder)]},
            "command": {"commands": {"touch": command}},
            **more.pop("plugins", {}),
        },
        "targets": targets,
        **more,
    }


async def order(made: Site, target: str) -> Incident:
    """Order a restart through the API and return what came of it."""
    status, answer = await made.ask("/actions/restart", method="POST", target=target, reason="an attack")
    assert status == 202, answer
    return await over(made, answer["id"])


async def send(made: Site, name: str, **labels: str) -> None:
    """Post an alert."""
    alert = {"status": "firing", "labels": {"alertname": name, **labels}, "startsAt": "2026-01-01T00:00:00Z"}
    status, answer = await made.ask("/webhook/alerts", method="POST", version="4", groupLabels={}, alerts=[alert])
    assert status == 202, answer


async def attack(made: Site, target: str, how: str) -> Incident:
    """Send an alert for which a runbook of the attacker's fits, and return what came of it."""
    await send(made, "HighLatency", service=target, attack=how)
    opened = await made.incident(target)
    return await over(made, opened.id)


async def over(made: Site, id_: str) -> Incident:
    async def look() -> Incident | None:
        found = await made.store.read(lambda rows: incidents.get(rows, id_))
        return found if found and found.status in (Status.ESCALATED, Status.RESOLVED) else None

    try:
        return await until(look, f"{id_} to be over")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await made.story()}\n{made.log()}") from None


async def refused(made: Site, incident: Incident, what: str) -> None:
    """The guard refused it, and says why."""
    [attempt] = await made.store.read(lambda rows: attempts.of_incident(rows, incident.id))
    verdict = next(one for one in attempt.decision.verdicts if one.rule == "never_touch")
    assert incident.status is Status.ESCALATED
    assert attempt.started_at is None
    assert (attempt.decision.rule, verdict.permission) == ("never_touch", Permission.DENY)
    assert what in verdict.reason
    assert verdict.reason in incident.reason
    assert verdict.reason in " ".join(event.says for event in await made.timeline(incident.id))


def started(engine: Docker, *names: str) -> list[str]:
    return [engine.say("inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}}", name) for name in names]


CONTAINERS = {
    "metrics": ("prom/prometheus:v2", (), "images of the monitoring"),
    "pager": ("quay.io/prometheus/alertmanager:v0.25", (), "images of the monitoring"),
    "prometheus": ("shop:1", (), "the monitoring: prometheus"),
    "devops-agent": ("shop:1", (), "the agent"),
    "prod-devops-agent-1": ("shop:1", ("--label", "com.docker.compose.service=devops-agent"), "the agent"),
    "innocent": ("shop:1", ("--label", "devops-agent.service=dockerd"), "the container engine: dockerd"),
}
"""Name → image, options, and what the reason says."""


async def test_containers_of_the_agent_and_the_monitoring_are_refused_under_any_name(
    engine: Docker, tmp_path: Path
) -> None:
    for name, (image, options, _) in CONTAINERS.items():
        engine.run(image, name, *ENABLE, *options)
    engine.say("tag", "prom/prometheus:v2", "shop:disguised")
    engine.run("shop:disguised", "disguised", *ENABLE)
    before = started(engine, *CONTAINERS, "disguised")
    metrics = engine.say("inspect", "--format", "{{.Id}}", "metrics")
    targets = [{"name": "slashed", "docker": "/metrics"}, {"name": "by-id", "docker": metrics}]
    names = {name: what for name, (_, _, what) in CONTAINERS.items()}
    names |= dict.fromkeys(("slashed", "by-id", "disguised"), "images of the monitoring")
    names["dockerd"] = names.pop("innocent")
    async with site(tmp_path, settings_of(tmp_path, targets, engine)) as made:
        await made.start()
        await made.well(*names)
        for name, what in names.items():
            await refused(made, await order(made, name), what)
            await refused(made, await attack(made, name, "run" if name in ("metrics", "slashed") else "restart"), what)
        assert started(engine, *CONTAINERS, "disguised") == before
        assert not (tmp_path / MARKER).exists()


async def test_processes_of_the_agent_the_engine_the_database_and_the_monitoring_are_refused(
    engine: Docker,
    postgres: Postgres,
    postgres_url: str,
    prometheus: Callable[..., Server],
    alertmanager: Callable[[str], Server],
    tmp_path: Path,
) -> None:
    monitor = prometheus("global: {scrape_interval: 1m}")
    pager = alertmanager("route: {receiver: nobody}\nreceivers: [{name: nobody}]")
    (tmp_path / "site").mkdir()
    async with site(tmp_path / "site", settings_of(tmp_path / "site", [], engine, store=postgres_url)) as made:
        python = ("*", "-m")
        whats = {
            "parent": ((*python, "devops_agent.app.parent", f"127.0.0.1:{made.port}", "..."), "the agent"),
            "web": ((*python, "devops_agent.app.web", str(made.config), "..."), "the agent"),
            "agent": (("*", "-OO", "-m", "devops_agent.app.agent", str(made.config), "..."), "the agent"),
            "engine": (("*dockerd", "--host", f"unix://{engine.socket}", "..."), "the container engine: dockerd"),
            "database": (("*postgres", "-D", f"{postgres.folder}/data", "..."), "the agent's database"),
            "monitor": (("*prometheus", f"--config.file={monitor.folder}/prometheus.yml", "..."), "prometheus"),
            "pager": (("*alertmanager", f"--config.file={pager.folder}/alertmanager.yml", "..."), "alertmanager"),
        }
        targets = [
            {"name": f"an-innocent-{name}", "process": {"match": list(match), "command": ["sleep", "1"]}}
            for name, (match, _) in whats.items()
        ]
        log = {"command": ["sleep", "1"], "log": str(made.config)}
        targets.append({"name": "an-innocent-writer", "process": log})
        made.write_config(targets=targets)
        parent = await made.start()
        pids = {parent.process.pid, *proc.descendants(parent.process.pid), engine.program.process.pid}
        pids |= {monitor.program.process.pid, pager.program.process.pid, *postgres_of(postgres)}
        before = instances(pids)
        for name, what in (*((name, what) for name, (_, what) in whats.items()), ("writer", "the configuration")):
            await refused(made, await order(made, f"an-innocent-{name}"), what)
            if name != "writer":
                await refused(made, await attack(made, f"an-innocent-{name}", "restart"), what)
        assert instances(pids) == before
        assert json.loads(made.config.read_text())["targets"] == targets


def instances(pids: Iterable[int]) -> list[str]:
    return [one.instance for pid in sorted(pids) if (one := proc.look_up(pid))]


def postgres_of(cluster: Postgres) -> set[int]:
    """Return the main process of a cluster."""
    return {int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])}


async def tells(made: Site, what: str) -> bool:
    told = await made.store.read(lambda rows: events.after(rows, 0, limit=1_000))
    return any(what in event.says for event in told)


async def test_clean_ups_of_the_agents_own_folders_are_refused(engine: Docker, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "state")
    roots = {"state": tmp_path / "state", "above": tmp_path, "linked": tmp_path / "link", "system": Path("/etc/ssl")}
    targets = [
        {"name": name, "clean": [{"root": str(root), "patterns": ["*"], "older_than": "0s"}]}
        for name, root in roots.items()
    ]
    async with site(tmp_path, settings_of(tmp_path, targets, engine)) as made:
        await made.start()
        await refused(made, await attack(made, "state", "clean"), "the agent's state")
        await refused(made, await attack(made, "above", "clean"), "the agent's state")
        for name, why in (("linked", "a link lies on the way"), ("system", "belongs to the system")):
            await send(made, "HighLatency", service=name, attack="clean")
            await until(partial(tells, made, why), why)
        assert {"agent.db", "owner-token", "agent.lock"} <= {file.name for file in made.state.iterdir()}
        assert Path("/etc/ssl/certs").is_dir()


HOSTILE = (
    {"service": "'; DROP TABLE incidents; --"},
    {"service": "$(touch marker)"},
    {"service": "../../etc/passwd"},
    {"service": "shop", "container": "metrics", "attack": "restart"},
    {"service": "{target}", "attack": "{labels.service}"},
    {"service": "metrics\u200b"},
    {"service": "\uff4detrics"},
    {"service": "<script>alert(1)</script>"},
    {"service": "x" * 10_000},
    {"service": "a\nb\u0000c"},
    {"devops_agent_target": "metrics", "attack": "restart"},
    {"devops_agent_kind": "down", "service": "metrics"},
)


async def test_hostile_labels_move_nothing(engine: Docker, tmp_path: Path) -> None:
    engine.run("prom/prometheus:v2", "metrics", *ENABLE)
    prefix = engine.say("inspect", "--format", "{{.Id}}", "metrics")[:12]
    before = started(engine, "metrics")
    targets = [{"name": "part-of-an-id", "docker": prefix}]
    async with site(tmp_path, settings_of(tmp_path, targets, engine)) as made:
        await made.start()
        await made.well("metrics")
        for labels in HOSTILE:
            await send(made, "HighLatency", **labels)
        for name in ("metrics", "part-of-an-id", "devops-agent2"):
            await send(made, "ContainerDied", service=name)

        async def quiet() -> bool:
            page = await made.store.read(lambda rows: incidents.page(rows, limit=100))
            return all(one.status in (Status.ESCALATED, Status.RESOLVED) or one.target == "metrics" for one in page)

        await until(quiet, "every incident to be over")
        nowhere = await order(made, "part-of-an-id")
        story = await made.story()
        assert started(engine, "metrics") == before
        assert engine.say("ps", "--all", "--format", "{{.Names}}") == "metrics"
        assert nowhere.status is Status.ESCALATED
        assert f"no container '{prefix}' on this engine" in story
        assert "no target is known as 'devops-agent2'" in story
        assert not (tmp_path / MARKER).exists()
        assert (await made.ask("/api/v1/audit/verify"))[1]["intact"] is True


@asynccontextmanager
async def http() -> AsyncIterator[Http]:
    client = Http()
    try:
        yield client
    finally:
        await client.close()


async def test_a_container_renamed_between_check_and_act_is_refused_by_the_plugin_itself(
    engine: Docker, tmp_path: Path
) -> None:
    engine.run("prom/prometheus:v2", "metrics", *ENABLE)
    engine.run("shop:1", "shop", *ENABLE)
    guardian = NeverTouch(lambda: Settings(state_dir=str(tmp_path)))
    target = Target(name="shop", via="docker")
    async with http() as client:
        given = tools(tmp_path, clock=SystemClock(), guardian=guardian, http=client)
        actuator = build({"socket": engine.socket}, tools=given)
        guardian.refuse(await actuator.identify(target, step=RESTART))
        engine.say("rename", "shop", "shop-before")
        engine.say("rename", "metrics", "shop")
        before = started(engine, "shop")
        for action in ("docker.restart", "docker.stop"):
            with pytest.raises(Untouchable, match="images of the monitoring"):
                await actuator.execute(RESTART.with_(action=action), target=target, key=action)
        assert started(engine, "shop") == before
