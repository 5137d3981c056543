"""Finds the one container that a target means, and tells who it really is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devops_agent.kit import proc
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import COMPOSE_PROJECT, COMPOSE_SERVICE, REPLICA_OF, REPLICAS, SERVICE
from devops_agent.ports import PluginError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
_FULL_ID = re.compile(r"[0-9a-f]{64}")


@contextmanager
def plainly() -> Iterator[None]:
    """Turn what the engine says into a PluginError."""
    try:
        yield
    except EngineError as error:
        raise PluginError(str(error), retryable=error.passing) from error


async def find(engine: Engine, ref: str) -> Json | None:
    """Return all about the container of exactly that name or full id; None when there is none.

    A name may be written with or without its slash. Part of an id, which the engine itself would take, is no name. A
    service's name (its label, or Compose's) will do as long as one container bears it.

    Raises:
        EngineError: the engine does not answer.
        PluginError: several containers bear the service's name.

    """
    name = ref.removeprefix("/")
    if not _NAME.fullmatch(name):
        return None
    try:
        found = await engine.inspect(name)
    except EngineError as error:
        if not error.not_found:
            raise
    else:
        if name == name_of(found) or (_FULL_ID.fullmatch(name) and name == found["Id"]):
            return found
    return await _find_service(engine, name)


async def must_find(engine: Engine, target: Target) -> Json:
    """Return the same for a target.

    Raises:
        EngineError: see `find`.
        PluginError: it does not exist, or is ambiguous.

    """
    found = await find(engine, ref_of(target))
    if found is None:
        raise PluginError(f"no container {ref_of(target)!r} on this engine", retryable=False)
    return found


def ref_of(target: Target) -> str:
    """Return what Docker calls a target."""
    return target.ref or target.name


def name_of(container: Json) -> str:
    """Return a container's name, from its long form or its short one."""
    name = container.get("Name") or next(iter(container.get("Names") or ()), "")
    return str(name).removeprefix("/")


def labels_of(container: Json) -> Mapping[str, str]:
    """Return a container's labels, from its long form or its short one."""
    labels: Mapping[str, str] = container.get("Config", container).get("Labels") or {}
    return labels


def short(container: Json) -> str:
    """Name a container for people: `checkout (3f2a1b0c9d8e)`."""
    return f"{name_of(container)} ({container['Id'][:12]})"


def scalable(container: Json) -> bool:
    """Whether a container says that there may be several of it."""
    return bool(labels_of(container).keys() & {REPLICAS, REPLICA_OF, COMPOSE_SERVICE})


async def replicas(engine: Engine, container: Json) -> list[Json]:
    """Return the containers that are replicas of one service with `container`, itself among them, oldest first."""
    labels = labels_of(container)
    base = labels.get(REPLICA_OF) or name_of(container)
    found = {one["Id"]: one for one in await engine.containers(labels=[f"{REPLICA_OF}={base}"])}
    if service := labels.get(COMPOSE_SERVICE):
        project = labels.get(COMPOSE_PROJECT, "")
        same = [f"{COMPOSE_SERVICE}={service}", f"{COMPOSE_PROJECT}={project}"]
        found |= {one["Id"]: one for one in await engine.containers(labels=same)}
    for one in await engine.containers():
        if one["Id"] == container["Id"] or name_of(one) == base:
            found[one["Id"]] = one
    return sorted(found.values(), key=lambda one: (one["Created"], one["Id"]))


async def identity_of(engine: Engine, container: Json, *, also: Iterable[str] = ()) -> Identity:
    """Return by what a container can be recognised, whatever it was called when it was asked for.

    Its image is told by every name that the engine knows it under, so that a new tag disguises nothing.
    """
    labels = labels_of(container)
    names = {name_of(container), *also, *(labels.get(key, "") for key in (SERVICE, COMPOSE_SERVICE, REPLICA_OF))}
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    for endpoint in networks.values():
        names |= set((endpoint or {}).get("Aliases") or ())
    pids = _pids(container)
    return Identity(
        names=frozenset(name.removeprefix("/") for name in names if name),
        ids=frozenset({container["Id"]}),
        pids=frozenset(pids),
        images=frozenset(await _image_names(engine, container)),
        ports=frozenset(_ports(container)) | proc.listening_ports(pids),
    )


def image_name(reference: str) -> str:
    """Return an image's name without registry, tag and digest: `quay.io/prometheus/alertmanager:v1` and the like."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    first, _, rest = name.partition("/")
    # As Docker itself tells a registry from a user.
    if rest and ("." in first or ":" in first or first == "localhost"):
        name = rest
    return name.removeprefix("library/")


async def _find_service(engine: Engine, name: str) -> Json | None:
    bearing = {
        one["Id"]: name_of(one)
        for label in (SERVICE, COMPOSE_SERVICE)
        for one in await engine.containers(labels=[f"{label}={name}"])
    }
    if len(bearing) > 1:
        known = ", ".join(sorted(bearing.values()))
        raise PluginError(f"{name!r} is ambiguous: {known}; give a container's name as `ref`", retryable=False)
    return await engine.inspect(next(iter(bearing))) if bearing else None


def _pids(container: Json) -> set[int]:
    """Return the container's processes; only the first when the engine's numbers are not of our namespace."""
    pid = int(container["State"].get("Pid") or 0)
    if not pid:
        return set()
    try:
        ours = container["Id"] in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        ours = False
    return {pid, *(proc.descendants(pid) if ours else ())}


def _ports(container: Json) -> Iterator[int]:
    bound = (container.get("NetworkSettings") or {}).get("Ports") or {}
    wanted = (container.get("HostConfig") or {}).get("PortBindings") or {}
    for table in (bound, wanted):
        for bindings in table.values():
            for binding in bindings or ():
                port = str(binding.get("HostPort") or "").partition("-")[0]
                if port.isdecimal() and int(port):
                    yield int(port)


async def _image_names(engine: Engine, container: Json) -> set[str]:
    references = [container["Config"]["Image"]]
    try:
        image = await engine.image(container["Image"])
        references += [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    except EngineError as error:
        if not error.not_found:
            raise
    return {image_name(reference) for reference in references if reference and not reference.startswith("sha256:")}
