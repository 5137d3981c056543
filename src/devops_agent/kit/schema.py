"""Checks values against the small part of JSON Schema that prompts and tools are written in."""

from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def misfits(value: object, schema: Mapping[str, Any], *, where: str = "answer", values: bool = True) -> list[str]:
    """Return what of `value` does not fit, each with its place; nothing of the value itself is quoted.

    Known are `type`, `properties`, `required`, `additionalProperties: false`, `items`, and as bounds of values `enum`,
    `minimum`, `maximum`, `maxItems` and `maxLength`. With `values=False` only the form counts: who asked judges the
    values one by one, so that one bad figure does not cost a whole answer.
    """
    kind = schema.get("type", "")
    if kind and not _is(value, kind):
        return [f"{where} is no {kind}"]
    found = _out_of_bounds(value, schema, where) if values else []
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        if values and schema.get("additionalProperties") is False and (unknown := value.keys() - properties.keys()):
            found.append(f"{where} has {len(unknown)} unknown fields; known: {', '.join(sorted(properties))}")
        for name, inner in properties.items():
            if name in value:
                found += misfits(value[name], inner, where=f"{where}.{name}", values=values)
    if isinstance(value, list | tuple) and "items" in schema:
        for index, item in enumerate(value):
            found += misfits(item, schema["items"], where=f"{where}[{index}]", values=values)
    return found


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _out_of_bounds(value: object, schema: Mapping[str, Any], where: str) -> list[str]:
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is none of {', '.join(map(str, schema['enum']))}")
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            found.append(f"{where} is not between {low} and {high}")
    if isinstance(value, Sequence):
        most = schema.get("maxLength" if isinstance(value, str) else "maxItems", len(value))
        if len(value) > most:
            found.append(f"{where} is longer than {most}")
    return found
