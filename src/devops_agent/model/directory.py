"""Who is who: finds the target that an alert speaks of, and who depends on whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.alert import SERVICE_LABELS, service_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from devops_agent.model.target import Target


class Directory:
    """All targets of a moment, by name and alias. Built anew when they change; never altered."""

    def __init__(self, targets: Iterable[Target], *, order: Sequence[str] = SERVICE_LABELS) -> None:
        self._order = tuple(order)
        self._targets = {target.name: target for target in targets}
        self._aliases: dict[str, Target] = {}
        for target in self._targets.values():
            for alias in (target.ref, *target.aliases):
                if alias:
                    self._aliases.setdefault(alias, target)
        self._dependants: dict[str, list[str]] = {}
        for target in self._targets.values():
            for parent in target.depends_on:
                self._dependants.setdefault(parent, []).append(target.name)

    def __iter__(self) -> Iterator[Target]:
        """Go through all targets."""
        return iter(self._targets.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._targets)

    def get(self, name: str) -> Target | None:
        """Return the target of exactly this name."""
        return self._targets.get(name)

    def find(self, labels: Mapping[str, str]) -> tuple[Target | None, str, str]:
        """Return (target, name, label): the first label of the configured order that names a known target.

        When none does: None with the first such label that is set at all, so that alerts about strangers group too.
        """
        for label in self._order:
            if value := labels.get(label, "").strip():
                target = self._targets.get(value) or self._aliases.get(value)
                if target is not None:
                    return target, value, label
        name, label = service_name(labels, order=self._order)
        return None, name, label

    def ancestors(self, name: str) -> list[str]:
        """Return everything that `name` depends on, nearest first."""
        return _reach(name, lambda one: self._targets[one].depends_on if one in self._targets else ())

    def dependants(self, name: str) -> list[str]:
        """Return everything that depends on `name`, nearest first."""
        return _reach(name, lambda one: self._dependants.get(one, ()))

    def group_of(self, target: Target) -> list[Target]:
        """Return the members of the target's group, itself included; only itself when it has no group."""
        if not target.group:
            return [target]
        return [other for other in self._targets.values() if other.group == target.group]


def _reach(start: str, step: Callable[[str], Iterable[str]]) -> list[str]:
    found: list[str] = []
    front = [start]
    while front:
        front = [after for one in front for after in step(one)]
        front = [one for one in dict.fromkeys(front) if one not in found and one != start]
        found += front
    return found
