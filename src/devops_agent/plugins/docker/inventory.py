"""Finds containers, and reads from their labels what the agent may do with them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Check, Target, Trust
from devops_agent.plugins.docker.client import Engine, Json
from devops_agent.plugins.docker.config import (
    AUTOHEAL,
    AUTOHEAL_ACTION,
    COMPOSE_DEPENDS_ON,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
    DEPENDS_ON,
    ENABLE,
    REPLICA_OF,
    ROLLBACK,
    SERVICE,
    TRUST,
    Config,
)
from devops_agent.plugins.docker.find import image_name, labels_of, name_of, plainly

_YES = frozenset({"true", "yes", "on", "1"})
_OVER = "Exited (0)"


def build(config: Mapping[str, object], *, tools: Tools) -> "DockerInventory":
    """Build the inventory from `plugins.docker`."""
    return DockerInventory(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerInventory:
    """Finds the containers of one engine."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._discover = config.discover
        self._engine = Engine(tools.http, socket=config.socket)

    async def discover(self) -> list[Target]:
        """Return the containers as targets; those that ended well and say nothing about us are left out as jobs."""
        if not self._discover:
            return []
        with plainly():
            return targets_of(await self._engine.containers())


def targets_of(containers: Sequence[Json]) -> list[Target]:
    """Turn the engine's list into targets; pure.

    A target is named by the label `devops-agent.service` where only one container bears that name, else after its
    container. `managed` is True or False as the labels say (no wins over yes), None when they say nothing.
    """
    kept = sorted((one for one in containers if _is_target(one)), key=name_of)
    names = _names(kept)
    groups = Counter(filter(None, map(_group, kept)))
    return [_target(one, names, grouped=groups[_group(one)] > 1) for one in kept]


def _target(container: Json, names: Mapping[str, str], *, grouped: bool) -> Target:
    labels = labels_of(container)
    own = name_of(container)
    name = names[own]
    aliases = dict.fromkeys((own, labels.get(SERVICE, ""), labels.get(COMPOSE_SERVICE, "")))
    return Target(
        name=name,
        via="docker",
        ref=own,
        managed=_managed(labels),
        trust=_trust(labels),
        depends_on=_depends_on(labels, names),
        group=_group(container) if grouped else "",
        labels={"image": image_name(str(container.get("Image", "")))},
        aliases=tuple(alias for alias in aliases if alias and alias != name),
        checks=(Check(name="state", kind="state"),),
        found_by="docker",
    )


def _is_target(container: Json) -> bool:
    labels = labels_of(container)
    if ROLLBACK in labels or any(mark in name_of(container) for mark in (".before-", ".next-")):
        return container.get("State") != "created" and ".before-" not in name_of(container)
    if _managed(labels) is not None:
        return True
    return container.get("State") != "created" and not str(container.get("Status", "")).startswith(_OVER)


def _names(containers: Sequence[Json]) -> dict[str, str]:
    """Return container's name → target's name, no two the same."""
    first = [one for one in containers if REPLICA_OF not in labels_of(one)]
    bearers = Counter(labels_of(one).get(SERVICE, "") for one in first)
    own = {name_of(one) for one in containers}
    chosen = {}
    for one in containers:
        service = labels_of(one).get(SERVICE, "")
        free = bool(service) and bearers[service] == 1 and REPLICA_OF not in labels_of(one)
        taken = service in own and service != name_of(one)
        chosen[name_of(one)] = service if free and not taken else name_of(one)
    return chosen


def _group(container: Json) -> str:
    labels = labels_of(container)
    compose = "/".join(filter(None, (labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_SERVICE))))
    return labels.get(SERVICE) or (compose if COMPOSE_SERVICE in labels else "") or labels.get(REPLICA_OF) or ""


def _managed(labels: Mapping[str, str]) -> bool | None:
    """Return whether the labels opt in or out; a word that is no yes is a no, and one no outweighs every yes."""
    said = [labels[key].strip().lower() in _YES for key in (ENABLE, AUTOHEAL) if key in labels]
    # What else autoheal's action may be (stop, nothing), it is no leave to restart.
    if labels.get(AUTOHEAL_ACTION, "restart").strip().lower() != "restart":
        said.append(False)
    return all(said) if said else None


def _trust(labels: Mapping[str, str]) -> Trust | None:
    """Return the ceiling that a label sets; a word that is none of ours means the least."""
    if TRUST not in labels:
        return None
    try:
        return Trust(labels[TRUST].strip().lower())
    except ValueError:
        return Trust.OBSERVE


def _depends_on(labels: Mapping[str, str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the label names, and what Compose notes (`db:service_healthy:false,cache:…`)."""
    own = [part.strip() for part in labels.get(DEPENDS_ON, "").split(",")]
    compose = [part.partition(":")[0].strip() for part in labels.get(COMPOSE_DEPENDS_ON, "").split(",")]
    return tuple(dict.fromkeys(names.get(word, word) for word in (*own, *compose) if word))
