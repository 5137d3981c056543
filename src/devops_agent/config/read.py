"""A tree and a type → a value of that type; everything that does not fit is told with its line, not only the first."""

import math
import re
import types
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path as FilePathOf
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from devops_agent.config.problems import Problem, not_among, shorten
from devops_agent.config.shape import FilePath, Rule, Seconds, Shape, shape_of
from devops_agent.config.tree import Items, Node, Path, Scalar, Table, path_text
from devops_agent.model.duration import DurationError, parse_duration
from devops_agent.model.fact import Fact

F = TypeVar("F", bound=Fact)

WRONG: Final = object()
"""Stands for a value that does not fit; its problem has been told."""

_YES_NO = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WHOLE = re.compile(r"[+-]?[0-9][0-9_]{0,17}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_NOTHING = frozenset({"off", "none", "never", "false"})


class Reader:
    """Reads one file's tree; `base` is the folder at which relative paths start."""

    def __init__(self, base: FilePathOf) -> None:
        self.problems: list[Problem] = []
        self._base = base

    def tell(self, node: Node, path: Path, says: str) -> object:
        """Note a problem; return WRONG."""
        problem = Problem(file=node.file, line=node.line, column=node.column, where=path_text(path), says=says)
        self.problems.append(problem)
        return WRONG

    def struct(self, node: Node, kind: type[F], path: Path, *, base: F | None = None) -> F | None:
        """Return `node` as `kind`; what is not written comes from `base`, else from the defaults; None: it is wrong."""
        given = self.fields(node, kind, path)
        if given is None:
            return None
        return kind(**given) if base is None else base.with_(**given)

    def fields(self, node: Node, kind: type[Fact], path: Path, *, skip: Collection[str] = ()) -> dict[str, Any] | None:
        """Return the fields that are written and fit; None when one that is required is missing or wrong.

        Keys in `skip` are known, and left to the caller.
        """
        if not isinstance(node, Table):
            self.tell(node, path, f"{_shown(node)} is no table; write `name: value` lines below it")
            return None
        shape = shape_of(kind)
        known = keys_of(kind)
        given: dict[str, Any] = {}
        for key, value in node.entries.items():
            if key not in known:
                self.tell(node.keys[key], (*path, key), not_among("setting", key, known))
            elif key not in skip:
                field = known[key]
                read = self._field(value, field, shape, (*path, key))
                if read is not WRONG:
                    given[field.name] = read
        needed = {key for key, field in known.items() if field.required or field.name in shape.required}
        for key in sorted(needed - set(node.entries)):
            self.tell(node, (*path, key), "is missing")
        return given if all(known[key].name in given for key in needed) else None

    def value(self, node: Node, kind: Any, path: Path, rule: Rule | None = None) -> Any:  # noqa: ANN401 — by `kind`
        """Return `node` as a value of `kind`, or WRONG."""
        members = members_of(kind)
        if type(None) in members:
            if isinstance(node, Scalar) and (node.empty or (bool not in members and node.text.lower() in _NOTHING)):
                return None
            members = tuple(member for member in members if member is not type(None))
        read = self._one_of(node, members, path, rule) if len(members) > 1 else self._one(node, members[0], path, rule)
        if read is WRONG or rule is None:
            return read
        if isinstance(rule, FilePath):
            return self.paths(node, read)
        if isinstance(rule, Seconds):
            return read
        refused = rule.refuses(read)
        return self.tell(node, path, refused) if refused else read

    def plain(self, node: Node, path: Path = ()) -> object:
        """Return what a value of no particular type is: text, number, yes or no, nothing, list or table."""
        if isinstance(node, Table):
            return {key: self.plain(value, (*path, key)) for key, value in node.entries.items()}
        if isinstance(node, Items):
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.items)]
        return _plain_scalar(node) if isinstance(node, Scalar) else None

    def paths(self, node: Node, value: Any) -> Any:  # noqa: ANN401 — a text stays a text, a list a list
        """Return paths as absolute ones; those of the environment start at the working folder, not at the file."""
        base = FilePathOf.cwd() if node.file.startswith("$") else self._base
        if isinstance(value, tuple):
            return tuple(absolute(item, base) for item in value)
        return absolute(value, base)

    def _field(self, node: Node, field: msgspec.structs.FieldInfo, shape: Shape, path: Path) -> Any:  # noqa: ANN401 — as above
        rule = shape.rules.get(field.name)
        if isinstance(rule, Seconds):
            read = self.value(node, timedelta, path)
            return read if read is WRONG else read.total_seconds()
        return self.value(node, field.type, path, rule)

    def _one_of(self, node: Node, members: tuple[Any, ...], path: Path, rule: Rule | None) -> Any:  # noqa: ANN401 — as above
        """Read a value that may be of several kinds: the way it is written tells which is meant."""
        wanted: tuple[type, ...] = (str, int, float, bool)
        if isinstance(node, Table):
            wanted = (dict,)
        elif isinstance(node, Items):
            wanted = (tuple,)
        elif isinstance(node, Scalar):
            plain = _plain_scalar(node)
            if bool in members and isinstance(plain, str) and not node.quoted:
                plain = _YES_NO.get(plain.lower(), plain)
            wanted = (type(plain), str) if type(plain) in members else (str, bool, float)
        for kind in wanted:
            for member in members:
                if (get_origin(member) or member) is kind or _is_table(member, kind):
                    return self._one(node, member, path, rule)
        return self.tell(node, path, f"{_shown(node)} does not fit; write {_kinds(members)}")

    def _one(self, node: Node, kind: Any, path: Path, rule: Rule | None) -> Any:  # noqa: ANN401, PLR0911 — one return a kind
        origin = get_origin(kind)
        if origin is tuple:
            return self._list(node, get_args(kind)[0], path)
        if origin is dict:
            return self._table(node, get_args(kind)[1], path)
        if kind is Any or kind is object:
            return self.plain(node, path)
        if isinstance(kind, type) and issubclass(kind, Fact):
            if isinstance(node, Scalar) and node.empty:
                return kind() if not any(field.required for field in keys_of(kind).values()) else self._none(node, path)
            read = self.struct(node, kind, path)
            return WRONG if read is None else read
        if not isinstance(node, Scalar):
            return self.tell(node, path, _not_one(node, kind))
        return self._scalar(node, kind, path)

    def _none(self, node: Node, path: Path) -> object:
        return self.tell(node, path, "nothing is written here")

    def _list(self, node: Node, item_kind: Any, path: Path) -> Any:  # noqa: ANN401 — as above
        if isinstance(node, Scalar):
            if node.empty:
                return ()
            if isinstance(item_kind, type) and issubclass(item_kind, Fact):
                return self.tell(node, path, f"{_shown(node)} is no list; begin each entry with `- `")
            texts = node.text.split(",") if node.file.startswith("$") else [node.text]
            items: tuple[Node, ...] = tuple(replace(node, text=text.strip()) for text in texts)
        elif isinstance(node, Items):
            items = node.items
        else:
            return self.tell(node, path, "is no list; begin each entry with `- `")
        read = [self.value(item, item_kind, (*path, index)) for index, item in enumerate(items)]
        return tuple(value for value in read if value is not WRONG)

    def _table(self, node: Node, value_kind: Any, path: Path) -> Any:  # noqa: ANN401 — as above
        if isinstance(node, Scalar) and node.empty:
            return {}
        if not isinstance(node, Table):
            return self.tell(node, path, f"{_shown(node)} is no table; write `name: value` lines below it")
        read = {key: self.value(value, value_kind, (*path, key)) for key, value in node.entries.items()}
        return {key: value for key, value in read.items() if value is not WRONG}

    def _scalar(self, node: Scalar, kind: Any, path: Path) -> Any:  # noqa: ANN401 — as above
        if kind is str:
            return "" if node.empty else node.text
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return self._choice(node, kind, path)
        try:
            return _READ[kind](node.text.strip())
        except DurationError as error:
            return self.tell(node, path, str(error))
        except ValueError:
            return self.tell(node, path, f"{_shown(node)} is no {_NAMES[kind]}; write {_EXAMPLES[kind]}")

    def _choice(self, node: Scalar, kind: type[StrEnum], path: Path) -> Any:  # noqa: ANN401 — as above
        try:
            return kind(node.text)
        except ValueError:
            words = [member.value for member in kind]
            return self.tell(node, path, not_among(path_text(path[-1:]) or "word", node.text, words))


def keys_of(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return YAML key → field, without the fields that nobody writes."""
    shape = shape_of(kind)
    fields = msgspec.structs.fields(kind)
    return {shape.renamed.get(field.name, field.name): field for field in fields if field.name not in shape.hidden}


def members_of(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 — a type
    """Return the types that a union allows; a type that is none, alone."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def absolute(path: str, base: FilePathOf) -> str:
    """Return `path` as an absolute one; `~` is the home folder, empty stays empty."""
    if not path or "\0" in path:
        return path
    if path.startswith("~"):
        try:
            return str(FilePathOf(path).expanduser())
        except RuntimeError:
            return path
    return str((base / path).absolute())


def _plain_scalar(node: Scalar) -> str | int | float | bool | None:
    text = node.text
    if node.quoted:
        return text
    if node.empty:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else text


def _yes_no(text: str) -> bool:
    try:
        return _YES_NO[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    written = text.removesuffix("%").strip()
    if not _NUMBER.fullmatch(written) or not math.isfinite(float(written)):
        raise ValueError(text)
    return float(written)


_READ: Mapping[Any, Any] = {
    bool: _yes_no,
    int: _whole,
    float: _number,
    timedelta: parse_duration,
}
_NAMES = {bool: "yes or no", int: "whole number", float: "number", timedelta: "duration", str: "text"}
_EXAMPLES = {bool: "true or false", int: "one such as 3", float: "one such as 0.5", timedelta: "30s, 5m, 1h30m"}


def _is_table(member: Any, kind: type) -> bool:  # noqa: ANN401 — a type
    return kind is dict and isinstance(member, type) and issubclass(member, Fact)


def _kinds(members: tuple[Any, ...]) -> str:
    words = {dict: "a table", tuple: "a list", bool: "true or false", str: "a text", int: "a number", float: "a number"}
    return " or ".join(dict.fromkeys(words.get(get_origin(member) or member, "a table") for member in members))


def _not_one(node: Node, kind: Any) -> str:  # noqa: ANN401 — a type
    name = _NAMES.get(kind, "word")
    if isinstance(node, Table) and len(node.entries) == 1:
        ((key, value),) = node.entries.items()
        if isinstance(value, Scalar) and value.empty:
            return f'a {name} is wanted, and braces begin a table; put it in quotes: "{{{shorten(key)}}}"'
    return f"{_shown(node)} is no {name}"


def _shown(node: Node) -> str:
    if isinstance(node, Scalar):
        return repr(shorten(node.text)) if node.text else "nothing"
    return "a table" if isinstance(node, Table) else "a list"
