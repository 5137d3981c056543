"""YAML → a tree in which every value still knows its line; what a value means is decided where its type is known."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devops_agent.config.problems import ConfigError, Problem, shorten

MAX_BYTES = 2_000_000
MAX_DEPTH = 40
MAX_VALUES = 100_000
"""Values in a file, each alias counted as all that it stands for."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A place in a file."""

    file: str
    line: int
    column: int
    size: int = 1
    """Values in it, itself included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar(Node):
    """A text as it is written; whether `80` is a number depends on who asks."""

    text: str
    quoted: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is said: no text, `null` or `~`."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, kw_only=True, slots=True)
class Items(Node):
    """A list."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Table(Node):
    """Keys with values."""

    entries: Mapping[str, Node] = field(default_factory=dict)
    keys: Mapping[str, Scalar] = field(default_factory=dict)
    """Where each key stands."""


def parse_tree(content: bytes, *, file: str, variables: Mapping[str, str] | None = None) -> tuple[Table, list[Problem]]:
    """Read one YAML document that is a table; with `variables`, `${NAME}` and `${NAME:-default}` are filled in.

    The problems are those after which reading could go on, such as a key that is there twice.

    Raises:
        ConfigError: the content is no YAML, is too large or too deep, or is no table.

    """
    import yaml

    if len(content) > MAX_BYTES:
        raise ConfigError([Problem(file=file, says=f"is larger than {MAX_BYTES:,} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file=file, line=line, says="is not UTF-8; save the file as UTF-8")]) from error
    builder = _Builder(file, variables)
    try:
        root = builder.build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, text, file)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        says = f"the character U+{_code(error.character):04X} may not stand in YAML"
        raise ConfigError([Problem(file=file, line=line, says=says)]) from error
    if not isinstance(root, Table):
        if isinstance(root, Scalar) and root.empty:
            return Table(file=file, line=1, column=1), builder.problems
        says = "is no table; a file consists of lines such as `name: value`"
        raise ConfigError([Problem(file=file, line=root.line, says=says)])
    return root, builder.problems


def find(root: Node, path: Path) -> Node:
    """Return the node at `path`, or the last one on the way to it that there is."""
    node = root
    for part in path:
        if isinstance(node, Table) and part in node.entries:
            node = node.entries[str(part)]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
    return node


def put(root: Table, path: tuple[str, ...], leaf: Scalar) -> Table:
    """Return a tree in which `leaf` stands at `path`; whatever stood in the way is replaced."""
    head, *rest = path
    below = root.entries.get(head)
    if rest:
        table = below if isinstance(below, Table) else Table(file=leaf.file, line=0, column=0)
        value: Node = put(table, tuple(rest), leaf)
    else:
        value = leaf
    keys = {head: Scalar(file=leaf.file, line=0, column=0, text=head), **root.keys}
    return replace(root, entries={**root.entries, head: value}, keys=keys)


def path_text(path: Path) -> str:
    """Return `("targets", 0, "url")` as `targets[0].url`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" if text else shorten(part)
    return text


class _Builder:
    """Makes nodes of YAML events, and keeps count so that a small file cannot stand for a huge one."""

    def __init__(self, file: str, variables: Mapping[str, str] | None) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._variables = variables
        self._anchors: dict[str, Node] = {}
        self._count = 0
        self._next: Callable[[], Any] = lambda: None

    def build(self, events: Any) -> Node:  # noqa: ANN401 — PyYAML's events have no types
        import yaml

        self._next = iter(events).__next__
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return Scalar(file=self._file, line=1, column=1, text="")
        root = self._node(self._next(), 0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._stop(event, "a second document begins here; a file holds one")
        return root

    def _node(self, event: Any, depth: int) -> Node:  # noqa: ANN401 — PyYAML's events have no types
        import yaml

        if isinstance(event, yaml.AliasEvent):
            known = self._anchors.get(str(event.anchor))
            if known is None:
                raise self._stop(event, f"*{event.anchor} is used before &{event.anchor} is complete")
            self._add(known.size, event)
            return known
        if depth > MAX_DEPTH:
            raise self._stop(event, f"is nested deeper than {MAX_DEPTH} levels")
        self._add(1, event)
        if event.tag is not None and not (isinstance(event, yaml.ScalarEvent) and event.tag in ("!", _TEXT)):
            self._tell(event, f"the tag {shorten(event.tag)} is not allowed; write the plain value")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, depth)
        else:
            node = self._table(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any) -> Scalar:  # noqa: ANN401 — PyYAML's events have no types
        text = event.value
        if "\0" in text:
            self._tell(event, "the character U+0000 may not stand in a value")
            text = text.replace("\0", "")
        if self._variables is not None and "$" in text:
            text = self._fill_in(text, event, self._variables)
        quoted = bool(event.style) or event.tag == _TEXT
        return Scalar(file=self._file, line=_line(event), column=_column(event), text=text, quoted=quoted)

    def _fill_in(self, text: str, event: Any, variables: Mapping[str, str]) -> str:  # noqa: ANN401 — as above
        def put_in(match: re.Match[str]) -> str:
            if match["name"] is None:
                return "${"
            value = variables.get(match["name"]) or match["default"]
            if value is None:
                self._tell(event, f"${{{match['name']}}} is not set; set it, or write ${{{match['name']}:-default}}")
                return ""
            return value

        return _VARIABLE.sub(put_in, text)

    def _items(self, event: Any, depth: int) -> Items:  # noqa: ANN401 — PyYAML's events have no types
        import yaml

        items: list[Node] = []
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(item, depth + 1))
        size = 1 + sum(item.size for item in items)
        return Items(file=self._file, line=_line(event), column=_column(event), items=tuple(items), size=size)

    def _table(self, event: Any, depth: int) -> Table:  # noqa: ANN401 — PyYAML's events have no types
        import yaml

        entries: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        merged: list[Table] = []
        while not isinstance(start := self._next(), yaml.MappingEndEvent):
            key = self._node(start, depth + 1)
            value_start = self._next()
            value = self._node(value_start, depth + 1)
            if not isinstance(key, Scalar):
                self._tell(start, "a key is a word, not a list or a table; text that begins with { or [ needs quotes")
            elif key.text == "<<" and not key.quoted:
                merged += self._merged(value, value_start)
            elif key.text in entries:
                first = keys[key.text].line
                self._tell(start, f"{shorten(key.text)!r} is there twice; it is in line {first} already")
            else:
                entries[key.text], keys[key.text] = value, key
        for table in merged:
            entries = {**table.entries, **entries}
            keys = {**table.keys, **keys}
        size = 1 + sum(1 + entry.size for entry in entries.values())
        line, column = _line(event), _column(event)
        return Table(file=self._file, line=line, column=column, entries=entries, keys=keys, size=size)

    def _merged(self, value: Node, event: Any) -> list[Table]:  # noqa: ANN401 — PyYAML's events have no types
        tables = value.items if isinstance(value, Items) else (value,)
        found = [table for table in tables if isinstance(table, Table)]
        if len(found) != len(tables):
            self._tell(event, "<< takes a table, or a list of tables: `<<: *name`")
        return found

    def _add(self, size: int, event: Any) -> None:  # noqa: ANN401 — PyYAML's events have no types
        self._count += size
        if self._count > MAX_VALUES:
            raise self._stop(event, f"stands for more than {MAX_VALUES:,} values; use fewer aliases")

    def _tell(self, event: Any, says: str) -> None:  # noqa: ANN401 — PyYAML's events have no types
        self.problems.append(Problem(file=self._file, line=_line(event), column=_column(event), says=says))

    def _stop(self, event: Any, says: str) -> ConfigError:  # noqa: ANN401 — PyYAML's events have no types
        self._tell(event, says)
        return ConfigError(self.problems)


_TEXT = "tag:yaml.org,2002:str"
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def _line(event: Any) -> int:  # noqa: ANN401 — PyYAML's events have no types
    return int(event.start_mark.line) + 1


def _column(event: Any) -> int:  # noqa: ANN401 — PyYAML's events have no types
    return int(event.start_mark.column) + 1


def _code(character: str | int) -> int:
    return character if isinstance(character, int) else ord(character[:1] or "\0")


def _syntax_problem(error: Any, text: str, file: str) -> Problem:  # noqa: ANN401 — PyYAML's errors have no types
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    lines = text.splitlines()
    line = min(line, len(lines))
    written = lines[line - 1] if line else ""
    if written[: len(written) - len(written.lstrip())].count("\t"):
        says = "a tab indents this line; YAML wants spaces"
    else:
        says = ", ".join(part for part in (error.context, error.problem) if part)
        says = f"cannot be read as YAML: {says}; look at the indentation and quotes here and in the line above"
    return Problem(file=file, line=line, column=column, says=says)
