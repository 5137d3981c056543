"""The reference page of the command line; `python -m devops_agent.cli.docs` writes it, a test compares."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devops_agent.cli.call import Command
from devops_agent.cli.exits import Exit
from devops_agent.cli.root import SECTIONS, root, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path("docs/reference/cli.md")
_EVERYWHERE = frozenset({"config", "json", "help"})

_HEAD = """\
# Command line

<!-- Written by `python -m devops_agent.cli.docs`; edit the commands in `src/devops_agent/cli` instead. -->

`devops-agent COMMAND`. Commands work on the store directly: they need neither the page nor the agent, but the right to
use the store, so run them as the user that the agent runs as. Who gave an order is kept as `cli:USER` in the timeline.

- `--config FILE` may stand before or after the command; else `DEVOPS_AGENT_CONFIG`, `./agent.yaml` or
  `/etc/devops-agent/agent.yaml` is used.
- `--json` prints one JSON document with every member, defaults too. Times are RFC 3339, durations are seconds.
- Colour is used on a terminal only. What a terminal would obey is always written as an escape, such as `\\x1b`.
- Ids may be written short: `devops-agent show 4` is `devops-agent show INC-4`.

## Exit codes

| code | meaning |
|---|---|
"""


def page() -> str:
    """Return `docs/reference/cli.md`."""
    commands = dict(walk())
    parts = [_HEAD + "".join(f"| {int(code)} | {code.says} |\n" for code in Exit)]
    for title, section in SECTIONS.items():
        parts.append(f"## {title}\n")
        for path, found in commands.items():
            if path[0] in section:
                parts.append("\n".join(_told(path, found)))
    return "\n".join(parts)


def _told(path: tuple[str, ...], found: click.Command) -> Iterator[str]:
    yield f"### devops-agent {' '.join(path)}\n"
    help_ = inspect.cleandoc(found.help or "")
    if isinstance(found, click.Group):
        yield help_ + "\n"
        return
    ctx = click.Context(found, info_name=f"devops-agent {' '.join(path)}", parent=click.Context(root))
    yield "`" + " ".join(["devops-agent", *path, *found.collect_usage_pieces(ctx)]) + "`\n"
    yield help_ + "\n"
    options = [one for one in found.params if isinstance(one, click.Option) and one.name not in _EVERYWHERE]
    if options:
        yield "| option | |\n|---|---|"
        for option in options:
            names, says = option.get_help_record(ctx) or ("", "")
            yield f"| `{names.replace('|', ' / ')}` | {says.replace('|', '/')} |"
        yield ""
    if isinstance(found, Command):
        yield "```sh\n" + "\n".join(found.examples) + "\n```\n"


def write_page(file: Path = PAGE) -> None:
    """Write the page."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
