"""The one base of all facts, and the one way to write a fact as JSON and read it back."""

from typing import Any, Self, TypeVar, dataclass_transform

import msgspec

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was so: keyword-only, never changed, replaced by `with_`."""

    def with_(self, **changes: Any) -> Self:  # noqa: ANN401 — a field may have any type
        """Return a copy in which the named fields have other values."""
        return msgspec.structs.replace(self, **changes)


_ENCODER = msgspec.json.Encoder(order="deterministic")


def to_json(value: object) -> str:
    """Write facts, enums, datetimes, plain dicts and lists as JSON with keys in a fixed order (digests rest on it).

    Halves of surrogate pairs, which Python makes of bytes that are no UTF-8 (file names, output), become `?`.
    """
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return _ENCODER.encode(_encodable(msgspec.to_builtins(value))).decode()


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Read JSON as `kind`.

    Raises:
        msgspec.ValidationError: the text is JSON of another shape.
        msgspec.DecodeError: the text is no JSON.

    """
    return msgspec.json.decode(text, type=kind)


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value
