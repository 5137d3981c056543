"""The never-touch set: found anew whenever it is asked, because process ids and containers come and go."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devops_agent.kit import proc
from devops_agent.model.identity import Identity, Protected, forbids
from devops_agent.ports import Untouchable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from devops_agent.config.settings import Settings

_ENGINE = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "docker-proxy", "podman", "runc")
_MONITORING = ("prometheus", "alertmanager")
_IMAGES = frozenset(
    {
        *(f"{maker}{name}" for maker in ("", "prom/", "bitnami/", "prometheus/") for name in _MONITORING),
        "devops-agent",
        "devops-ai-agent",
    }
)
_SYSTEM_UNITS = frozenset(
    {
        "dbus.service",
        "init.scope",
        "ssh.service",
        "sshd.service",
        "systemd-journald.service",
        "systemd-logind.service",
        "systemd-udevd.service",
    }
)
_CONTAINER = re.compile(rb"/(?:docker/containers|docker|libpod|containerd)[/-]([0-9a-f]{64})")
_FRESH = 2.0  # seconds for which a found set is used again


class NeverTouch:
    """Answers whether something is part of what the agent stands on."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._found: tuple[Protected, ...] = ()
        self._found_at = float("-inf")

    def things(self) -> tuple[Protected, ...]:
        """Return the whole set, found now or a moment ago."""
        if time.monotonic() - self._found_at > _FRESH:
            self._found = tuple(find(self._settings()))
            self._found_at = time.monotonic()
        return self._found

    def refuse(self, identity: Identity) -> None:
        """Raise Untouchable when `identity` is, or would touch, a member of the set."""
        if (thing := forbids(self.things(), identity)) is not None:
            raise Untouchable(thing)


def find(settings: Settings) -> Iterator[Protected]:
    """Yield everything that must never be touched on this machine, with the reason."""
    yield from _ourselves(settings)
    yield from _database(settings)
    running = _running((*_ENGINE, *_MONITORING))
    yield from _programs(_ENGINE, running, "the container engine", "its containers would go down with it")
    yield from _programs(_MONITORING, running, "the monitoring", "without it nobody sees what the agent does")
    yield Protected(
        what="images of the monitoring and of the agent", why="never acted on", is_=Identity(images=_IMAGES)
    )
    yield Protected(what="the machine's own services", why="the machine needs them", is_=Identity(names=_SYSTEM_UNITS))
    yield from _addressed(settings)
    for word in settings.guard.never_touch:
        yield Protected(what=word, why="guard.never_touch in the configuration", is_=_anything(word))


def _ourselves(settings: Settings) -> Iterator[Protected]:
    me, parent = os.getpid(), os.getppid()
    supervised = "devops_agent.app.parent" in proc.argv(parent)
    family = {me, parent, *proc.descendants(parent)} if supervised else {me}
    # What was started by the agent to be watched is a process of its own, not a part of the agent.
    ours = frozenset(pid for pid in family if pid == me or b"DEVOPS_AGENT_TARGET=" not in proc.raw_environment(pid))
    yield Protected(what="the agent", why="it would stop itself", is_=Identity(
        pids=ours, names=frozenset({"devops-agent", "devops-agent.service", "devops-ai-agent"})))  # fmt: skip
    above = frozenset(proc.ancestors(me)) | {1}
    yield Protected(what="the agent's supervisor", why="it would take the agent down", is_=Identity(pids=above))
    if (container := own_container()) is not None:
        yield Protected(
            what="the agent's container", why="it would stop itself", is_=Identity(ids=frozenset({container}))
        )
    port = _port(settings.web.listen)
    if port:
        yield Protected(
            what="the agent's web role", why="it takes in the alerts", is_=Identity(ports=frozenset({port}))
        )
    folder = os.path.realpath(settings.state_dir)
    yield Protected(what=f"the agent's state in {folder}", why="its memory", is_=Identity(paths=frozenset({folder})))
    if settings.source:
        file = os.path.realpath(settings.source)
        yield Protected(what=f"the configuration {file}", why="its orders", is_=Identity(paths=frozenset({file})))


def _database(settings: Settings) -> Iterator[Protected]:
    url = settings.database
    if url.startswith("sqlite:///"):
        path = os.path.realpath(url.removeprefix("sqlite:///"))
        paths = frozenset({path, f"{path}-wal", f"{path}-shm", f"{path}.bells"})
        yield Protected(what=f"the agent's database {path}", why="its memory", is_=Identity(paths=paths))
    elif url:
        parts = urlsplit(url)
        identity = _listener(parts.hostname or "localhost", parts.port or 5432)
        yield Protected(what=f"the agent's database at {parts.hostname}:{parts.port or 5432}", why="its memory",
                        is_=identity)  # fmt: skip


def _running(names: tuple[str, ...]) -> dict[str, frozenset[int]]:
    """Return who runs which of these programs; each process is looked at once."""
    found: dict[str, set[int]] = {name: set() for name in names}
    for pid in proc.pids():
        name = proc.program(pid).rpartition("/")[2]
        if name in found:
            found[name].add(pid)
    return {name: frozenset(pids) for name, pids in found.items()}


def _programs(
    names: tuple[str, ...], running: Mapping[str, frozenset[int]], what: str, why: str
) -> Iterator[Protected]:
    for name in names:
        pids = running[name]
        words = frozenset({name, f"{name}.service", f"{name}.socket", f"prometheus-{name}"})
        yield Protected(what=f"{what}: {name}", why=why, is_=Identity(pids=pids, names=words))
    if "dockerd" in names:
        units = frozenset({"docker.service", "docker.socket", "docker"})
        yield Protected(what=f"{what}: docker", why=why, is_=Identity(names=units))


def _addressed(settings: Settings) -> Iterator[Protected]:
    """What the plugins' settings point to: Prometheus, Alertmanager."""
    for plugin in ("prometheus", "alertmanager"):
        url = str(settings.plugins.get(plugin, {}).get("url", ""))
        if url:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            identity = _listener(parts.hostname or "", port)
            yield Protected(what=f"{plugin} at {url}", why="the agent depends on it", is_=identity)


def _listener(host: str, port: int) -> Identity:
    """Return who listens on a local port; a host elsewhere is known by its name only."""
    if host in ("localhost", "127.0.0.1", "::1", ""):
        pids = frozenset(pid for pid in proc.pids() if port in proc.listening_ports({pid}))
        return Identity(ports=frozenset({port}), pids=pids)
    return Identity(names=frozenset({host}))


def _anything(word: str) -> Identity:
    """Return what a word of the configuration may mean: a name, a unit, an image, a container id, a path."""
    if word.startswith("/"):
        return Identity(paths=frozenset({os.path.realpath(word)}))
    return Identity(
        names=frozenset({word, f"{word}.service"}),
        images=frozenset({word.split(":", maxsplit=1)[0]}),
        ids=frozenset({word}),
    )


def own_container() -> str | None:
    """Return the full id of the container that this process runs in; None outside of one."""
    for file in ("/proc/self/mountinfo", "/proc/self/cgroup"):
        with suppress(OSError):
            if match := _CONTAINER.search(Path(file).read_bytes()):
                return match[1].decode()
    return None


def _port(listen: str) -> int:
    tail = listen.rpartition(":")[2]
    return int(tail) if tail.isdigit() else 0
