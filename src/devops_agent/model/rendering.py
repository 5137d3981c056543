"""A runbook and an incident → a plan with real arguments. What is filled in is data, never read for placeholders."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from devops_agent.model.action import Argument, Proof, Step
from devops_agent.model.condition import Comparison, holds, parse_condition, write_condition
from devops_agent.model.runbook import Plan, Runbook
from devops_agent.model.target import Target, Thresholds

PLACEHOLDERS = "{target}, {ref}, {via}, {incident}, {labels.X}, {readings.X}, {options.X}"
BANDS: Mapping[str, str] = {
    "memory_percent": "memory_percent",
    "disk_percent": "disk_percent",
    "disk_cleanup_percent": "disk_percent",
    "cpu_percent": "cpu_percent",
    "error_percent": "error_percent",
    "latency_ms": "latency_ms",
    "log_growth_mb_per_minute": "log_growth_mb_per_minute",
}
"""Threshold → the reading that has to be under it."""

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][\w.:-]*)\}\}|\{([A-Za-z_][\w.:-]*)\}", re.ASCII)
_GROUPS = ("labels", "readings", "options")
_SINGLE = ("target", "ref", "via", "incident")
_KNOWN_EARLY = ("labels.", "target", "via")


class RenderError(ValueError):
    """A runbook that cannot become a plan for this incident; names what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """What placeholders are filled with."""

    incident: str
    target: Target
    labels: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, float] = field(default_factory=dict)

    def get(self, name: str) -> Argument:
        """Return the value that `name` (`labels.job`) stands for.

        Raises:
            RenderError: there is none.

        """
        single = {"target": self.target.name, "ref": self.target.ref, "via": self.target.via, "incident": self.incident}
        if value := single.get(name):
            return value
        group, _, key = name.partition(".")
        groups: Mapping[str, Mapping[str, object]] = {
            "labels": self.labels,
            "readings": self.readings,
            "options": self.target.options,
        }
        values = groups.get(group, {})
        found = values.get(key)
        if isinstance(found, list | tuple) and all(isinstance(item, str) for item in found):
            return tuple(found)
        if isinstance(found, str | int | float | bool):
            return found
        if group in groups:
            raise RenderError(f"{{{name}}} has no value: {group} has {', '.join(sorted(values)) or 'nothing'}")
        raise RenderError(f"{{{name}}} has no value for the target {self.target.name!r}")


def render(
    runbook: Runbook,
    *,
    incident: str,
    target: Target,
    labels: Mapping[str, str] | None = None,
    readings: Mapping[str, float] | None = None,
    offered: Collection[str] | None = None,
) -> Plan:
    """Return the plan that `runbook` is for `target` in the incident of that id.

    `offered` are the names of all actions that there are: optional steps whose action is none of them are left out;
    without it no step is. Conditions on labels, target and plugin are decided here; those on state and readings stay
    with the step. A text that is one placeholder and nothing else keeps the type of the value.

    Raises:
        RenderError: a placeholder has no value, or an action that is not optional is not offered.

    """
    filling = Filling(incident=incident, target=target, labels=labels or {}, readings=readings or {})
    steps = (_step(step, filling, offered) for step in runbook.steps)
    return Plan(
        incident=incident,
        runbook=runbook.name,
        target=target.name,
        steps=tuple(step for step in steps if step is not None),
        settle=runbook.settle,
        advice=tuple(_advice(line, filling) for line in runbook.advice),
    )


def unknown_placeholders(text: str) -> list[str]:
    """Return the placeholders of `text` that stand for nothing, whatever the incident."""
    return [name for name in placeholders(text) if not _may_stand(name)]


def placeholders(text: str) -> list[str]:
    """Return the names in braces; `{{name}}` is none, it writes `{name}`."""
    return [match[2] for match in _PLACEHOLDER.finditer(text) if match[2]]


def _may_stand(name: str) -> bool:
    group, _, key = name.partition(".")
    return name in _SINGLE or (group in _GROUPS and bool(key))


def _step(step: Step, filling: Filling, offered: Collection[str] | None) -> Step | None:
    condition = parse_condition(step.only_if)
    early = tuple(part for part in condition if part.subject.startswith(_KNOWN_EARLY))
    if not holds(early, _early_facts(filling)):
        return None
    if "{via}" in step.action and not filling.target.via:
        if step.optional:
            return None
        raise RenderError(f"step {step.name!r}: nothing acts on the target {filling.target.name!r}; it is only watched")
    action = step.action.replace("{via}", filling.target.via)
    if offered is not None and action not in offered:
        if step.optional:
            return None
        raise RenderError(f"step {step.name!r}: there is no action {action!r}")
    late: tuple[Comparison, ...] = tuple(part for part in condition if part not in early)
    return step.with_(
        action=action,
        args={name: _fill_in(value, filling, f"step {step.name!r}, {name}") for name, value in step.args.items()},
        proof=_proof(step.proof, filling.target.thresholds),
        only_if=write_condition(late),
    )


def _early_facts(filling: Filling) -> dict[str, object]:
    labels = {f"labels.{name}": value for name, value in filling.labels.items()}
    return {**labels, "target": filling.target.name, "via": filling.target.via or None}


def _fill_in(value: Argument, filling: Filling, where: str) -> Argument:
    if isinstance(value, tuple):
        return tuple(_text(item, _getter(filling, where)) for item in value)
    if not isinstance(value, str):
        return value
    alone = _PLACEHOLDER.fullmatch(value)
    get = _getter(filling, where)
    return get(alone[2]) if alone and alone[2] else _text(value, get)


def _getter(filling: Filling, where: str) -> Callable[[str], Argument]:
    def get(name: str) -> Argument:
        try:
            return filling.get(name)
        except RenderError as error:
            raise RenderError(f"{where}: {error}") from None

    return get


def _text(text: str, get: Callable[[str], Argument]) -> str:
    def put(match: re.Match[str]) -> str:
        if match[1]:
            return f"{{{match[1]}}}"
        value = get(match[2])
        return ", ".join(value) if isinstance(value, tuple) else str(value)

    return _PLACEHOLDER.sub(put, text)


def _proof(proof: Proof, thresholds: Thresholds) -> Proof:
    limits = {BANDS[name]: getattr(thresholds, name) for name in proof.in_band}
    set_ones = {reading: limit for reading, limit in limits.items() if limit is not None}
    return proof.with_(below={**set_ones, **proof.below}, in_band=())


def _advice(line: str, filling: Filling) -> str:
    """Fill in a sentence for people, in which a value that is not known is shown by its name."""

    def get(name: str) -> Argument:
        try:
            return filling.get(name)
        except RenderError:
            return f"<{name}>"

    return _text(line, get)
