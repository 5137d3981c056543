"""Writes a runbook as the YAML that is read as that runbook."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from devops_agent.config.read import keys_of
from devops_agent.config.shape import Seconds, shape_of
from devops_agent.model.duration import write_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devops_agent.model.runbook import Runbook


def write_runbook(runbook: Runbook, *, comments: Iterable[str] = ()) -> str:
    """Return the text of a runbook's file, `comments` on its first lines; what has its default is left out."""
    head = "".join(f"# {' '.join(line.split())}\n" for line in comments)
    return head + yaml.safe_dump(_struct(runbook), sort_keys=False, allow_unicode=True, width=110)


def _struct(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct as it is written: under YAML's keys, without what nobody writes."""
    rules = shape_of(type(struct)).rules
    defaults = {field.name: field.default for field in msgspec.structs.fields(struct)}
    written: dict[str, Any] = {}
    for key, field in keys_of(type(struct)).items():
        value = getattr(struct, field.name)
        if value == defaults[field.name] or value in ((), {}):
            continue
        seconds = isinstance(rules.get(field.name), Seconds)
        written[key] = write_duration(timedelta(seconds=value)) if seconds else _plain(value)
    return written


def _plain(value: Any) -> Any:  # noqa: ANN401 — settings hold values of any shape
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, timedelta):
        return write_duration(value)
    return value.value if isinstance(value, Enum) else value
