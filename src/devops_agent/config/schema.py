"""JSON Schema (draft 2020-12) of `agent.yaml` and of runbooks, for editors; made of what the loader itself reads by.

`# yaml-language-server: $schema=PATH` at the top of a file makes an editor complete, explain and check it.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, get_args, get_origin

import msgspec

from devops_agent.config.described import field_docs, struct_doc
from devops_agent.config.read import keys_of, members_of
from devops_agent.config.settings import Settings
from devops_agent.config.shape import OneOf, Rule, Seconds, Shape, shape_of
from devops_agent.config.targets import TargetForm
from devops_agent.model.duration import write_duration
from devops_agent.model.fact import Fact
from devops_agent.model.runbook import Runbook
from devops_agent.model.target import Target

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_DURATION: Schema = {
    "oneOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|[wdhms])? ?)+$|\$\{"},
    ]
}
_SCALARS: Mapping[Any, Schema] = {
    str: {"type": ["string", "number", "boolean"]},
    bool: {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no", "on", "off"]}, _VARIABLE]},
    int: {"anyOf": [{"type": "integer"}, _VARIABLE]},
    float: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9.]+ ?%$"}, _VARIABLE]},
    timedelta: _DURATION,
}


def settings_schema() -> Schema:
    """Return the schema of `agent.yaml`."""
    return _document(Settings, "DevOps AI Agent: agent.yaml")


def runbook_schema() -> Schema:
    """Return the schema of a runbook."""
    return _document(Runbook, "DevOps AI Agent: a runbook")


def written_as(kind: Any) -> Any:  # noqa: ANN401 — a type
    """Return the type in which `kind` is written: targets have a form of their own."""
    return TargetForm if kind is Target else kind


def _document(kind: type[Fact], title: str) -> Schema:
    defs: dict[str, Schema] = {}
    root = _struct(kind, defs)
    return {"$schema": DIALECT, "title": title, **root, "$defs": dict(sorted(defs.items()))}


def _struct(kind: type[Fact], defs: dict[str, Schema]) -> Schema:
    shape, docs = shape_of(kind), field_docs(kind)
    known = keys_of(kind)
    properties = {key: _property(field, shape, docs.get(field.name, ""), defs) for key, field in known.items()}
    required = sorted(key for key, field in known.items() if field.required or field.name in shape.required)
    schema: Schema = {"description": struct_doc(kind), "type": "object", "additionalProperties": False}
    return {**schema, "properties": properties, **({"required": required} if required else {})}


def _property(field: msgspec.structs.FieldInfo, shape: Shape, says: str, defs: dict[str, Schema]) -> Schema:
    rule = shape.rules.get(field.name)
    schema = _DURATION if isinstance(rule, Seconds) else _type(field.type, rule, defs)
    default = default_of(field)
    described: Schema = {"description": says} if says else {}
    if default not in ("", [], {}, None):
        described["default"] = default
    return {**described, **schema}


def default_of(field: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 — of the field's type
    """Return a field's default as it would be written; None for structs and where there is none."""
    if field.default is msgspec.NODEFAULT:
        return [] if field.default_factory is list else {} if field.default_factory is dict else None
    return _plain(field.default)


def _plain(value: Any) -> Any:  # noqa: ANN401 — of any type
    if isinstance(value, timedelta):
        return write_duration(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return None if isinstance(value, Fact) else value


def _type(kind: Any, rule: Rule | None, defs: dict[str, Schema]) -> Schema:  # noqa: ANN401 — a type
    members = members_of(kind)
    if len(members) > 1:
        options = [_type(member, rule, defs) for member in members if member is not type(None)]
        nothing: list[Schema] = (
            [{"type": "null"}, {"enum": ["off", "none", "never", False]}] if type(None) in members else []
        )
        return {"anyOf": [*options, *nothing]}
    origin = get_origin(kind)
    if origin is tuple:
        return _list(_type(written_as(get_args(kind)[0]), rule, defs))
    if origin is dict:
        return {"type": ["object", "null"], "additionalProperties": _type(get_args(kind)[1], rule, defs)}
    if isinstance(kind, type) and issubclass(kind, Fact):
        return _reference(kind, defs)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"anyOf": [{"enum": [member.value for member in kind]}, _VARIABLE]}
    return _scalar(kind, rule)


def _reference(kind: type[Fact], defs: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in defs:
        defs[name] = {}
        defs[name] = _struct(kind, defs)
    return {"$ref": f"#/$defs/{name}"}


def _list(item: Schema) -> Schema:
    listed: Schema = {"type": "array", "items": item}
    if "$ref" in item:
        return {"anyOf": [listed, {"type": "null"}]}
    return {"anyOf": [listed, item, {"type": "null"}]}


def _scalar(kind: Any, rule: Rule | None) -> Schema:  # noqa: ANN401 — a type
    schema = _SCALARS.get(kind, {})
    added = rule.schema() if rule else {}
    if not added:
        return schema
    if isinstance(rule, OneOf) or kind is str:
        return {"anyOf": [{"type": "string", **added}, _VARIABLE]}
    first, *others = schema["anyOf"]
    return {"anyOf": [{**first, **added}, *others]}
