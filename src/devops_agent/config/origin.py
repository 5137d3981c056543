"""Where each setting in force comes from: a line of the file, an environment variable, or nowhere: its default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devops_agent.config.load import with_environment
from devops_agent.config.problems import Problem
from devops_agent.config.read import Reader
from devops_agent.config.tree import Items, Node, Table, parse_tree, path_text
from devops_agent.config.tree import Path as Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Configured:
    """What was written, and what is wrong with what was written since."""

    written: Mapping[str, str] = field(default_factory=dict)
    """Place (`web.listen`, `targets[0].url`) → where it is written: `agent.yaml:12`, `$DEVOPS_AGENT_LISTEN`."""
    problems: tuple[Problem, ...] = ()
    """Of the file as it is now; while there are any, what was in force before still is."""

    def origin(self, place: str) -> str:
        """Return where the value at a place is written; empty: nowhere, it is the default."""
        return self.written.get(place, "")


def written(path: Path | None, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return where every setting is written that is.

    Raises:
        ConfigError: the file is no YAML.
        OSError: it cannot be read.

    """
    root, _ = parse_tree(path.read_bytes() if path else b"", file=path.name if path else "", variables=environ)
    return dict(_leaves(with_environment(root, environ, Reader(Path())), ()))


def _leaves(node: Node, path: Place) -> Iterator[tuple[str, str]]:
    if isinstance(node, Table) and node.entries:
        for key, value in node.entries.items():
            yield from _leaves(value, (*path, key))
        return
    yield path_text(path), f"{node.file}:{node.line}" if node.line else node.file
    if isinstance(node, Items):
        for number, item in enumerate(node.items):
            yield from _leaves(item, (*path, number))
