"""The reference pages of settings and runbooks; `python -m devops_agent.config.docs` writes them, a test compares."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from devops_agent.config.described import field_docs, struct_doc
from devops_agent.config.load import PATH_NAME, PLACES, SHORT_NAMES
from devops_agent.config.read import Reader, keys_of, members_of
from devops_agent.config.runbooks import KINDS, shipped_folder
from devops_agent.config.schema import default_of, written_as
from devops_agent.config.settings import Settings
from devops_agent.config.shape import Form, Seconds, shape_of
from devops_agent.config.tree import parse_tree
from devops_agent.model.condition import STATE_WORDS
from devops_agent.model.duration import write_duration
from devops_agent.model.rendering import BANDS, PLACEHOLDERS
from devops_agent.model.runbook import Runbook

_WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    timedelta: "duration",
    object: "anything",
    Any: "anything",
}

_SETTINGS_HEAD = """\
# Settings

<!-- Written by `python -m devops_agent.config.docs`; edit the docstrings in `src/devops_agent/config` instead. -->

`agent.yaml` may hold what is listed here; everything has a default. `devops-agent init` writes a first one,
`devops-agent check` says what is wrong in it. A change takes effect within seconds, without a restart; only a new
`web.listen` waits for one.

- **Durations** are written `30s`, `5m`, `1h30m`, `2d`; a plain number is seconds.
- **Lists** of one value may be written without brackets: `depends_on: db`.
- **Paths** that are not absolute start at the folder of `agent.yaml`, `state_dir` too.
- **Secrets** are files: a setting that ends in `_file` holds a path.
- **`${{NAME}}`** and `${{NAME:-default}}` are filled in from the environment; `$${{` writes `${{`.
- **YAML** may use anchors, aliases and `<<`; a key that is there twice is an error.

What each plugin takes, below `plugins` and at a target, is in [plugins.md](plugins.md).

The file is the one given with `--config`, else the one that `{path_name}` names, else {places}.

## Environment variables

They win over the file. Every other setting is `DEVOPS_AGENT_<SECTION>__<FIELD>`, such as
`DEVOPS_AGENT_POLLING__WELL=10s` or `DEVOPS_AGENT_GUARD__STRIKES__COUNT=2`; lists are written with commas.

| variable | setting |
|---|---|
"""

_RUNBOOKS_HEAD = """\
# Runbooks

<!-- Written by `python -m devops_agent.config.docs`; edit the docstrings in `src/devops_agent` instead. -->

A runbook says which trouble it is for, and in which steps that is mended. The shipped ones are listed below; put your
own in a folder named under `runbooks:` in `agent.yaml`. One of a shipped name replaces the shipped one. How risky a
step is, is said by its action, never by the runbook. A wrong runbook is refused when it is read, with file and line.

**Markdown files** (`*.md`) in those folders are for people, in any form; their first heading is their title. The closer
look names those that fit an incident; nothing is done by them. They are found by their words, or for sure by what
stands between two lines of `---` at their top: `alerts: [ShopErrors]`, or `runbook_url: …` as in the alert's
annotation. `title: …` may stand there, too.

**Placeholders** in arguments and advice: {placeholders}. A text that is one placeholder and nothing else keeps
the type of the value. What is filled in is data: it is never read for placeholders again. `{{{{name}}}}` writes
`{{name}}`. An action may begin with `{{via}}`, the plugin that acts on the target: `{{via}}.restart`.

**Conditions** (`when`) are comparisons joined by `and`: `state.running == false and readings.memory_percent > 80`.
They may ask for `readings.X`, `labels.X`, `target`, `via` and `state.X` with X one of {state_words}.
What is not known makes a comparison false.

**Fault classes** (`match.kinds`): {kinds}.

**Thresholds** for `proof.in_band`: {bands}. A threshold that is off asks for nothing.
"""


def settings_page() -> str:
    """Return `docs/reference/settings.md`."""
    places = " or ".join(f"`{place}`" for place in PLACES)
    head = _SETTINGS_HEAD.format(path_name=PATH_NAME, places=places)
    variables = "".join(f"| `{name}` | `{'.'.join(path)}` |\n" for name, path in SHORT_NAMES.items())
    return head + variables + "\n" + "\n".join(sections(Settings, "## Top level"))


def runbooks_page(*, shipped: Path | None = None) -> str:
    """Return `docs/reference/runbooks.md`."""
    head = _RUNBOOKS_HEAD.format(
        placeholders=", ".join(f"`{word}`" for word in PLACEHOLDERS.split(", ")),
        state_words=_code(STATE_WORDS),
        kinds=_code(KINDS),
        bands=_code(BANDS),
    )
    form = "\n".join(sections(Runbook, "## How a runbook is written"))
    return head + "\n" + form + "\n## Shipped runbooks\n\n" + "\n".join(_shipped(shipped or shipped_folder()))


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 — a type
    """Yield the structs that a type speaks of, in the form in which they are written."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield written_as(kind)
    for inner in get_args(kind):
        yield from structs_in(inner)


def sections(kind: type[msgspec.Struct], title: str) -> Iterator[str]:
    """Yield a table of the struct's settings, then one of each struct in it."""
    waiting: list[tuple[str, type[msgspec.Struct]]] = [(title, kind)]
    seen = {kind}
    while waiting:
        heading, here = waiting.pop(0)
        yield f"{heading}\n\n{struct_doc(here)}\n\n{_table(here)}"
        for key, field in keys_of(here).items():
            for inner in structs_in(field.type):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append((f"## {inner.__name__}\n\nBelow `{key}`.", inner))


def _code(words: Any) -> str:  # noqa: ANN401 — anything with names in it
    return ", ".join(f"`{word}`" for word in words)


def _table(kind: type[msgspec.Struct]) -> str:
    shape, docs = shape_of(kind), field_docs(kind)
    lines = ["| setting | value | default | |", "|---|---|---|---|"]
    for key, field in keys_of(kind).items():
        rule = shape.rules.get(field.name)
        value = "duration" if isinstance(rule, Seconds) else _type(field.type)
        if rule and rule.says():
            value = f"{value}{' such as' if isinstance(rule, Form) else ':'} {rule.says()}"
        says = docs.get(field.name, "")
        needed = field.required or field.name in shape.required
        cells = (f"`{key}`", value, "(required)" if needed else _default(field, rule), says)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(field: msgspec.structs.FieldInfo, rule: object) -> str:
    value = default_of(field)
    if isinstance(rule, Seconds) and isinstance(value, float):
        value = write_duration(timedelta(seconds=value))
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if isinstance(value, float):
        value = f"{value:g}"
    return "" if value in ("", {}, None) else f"`{value}`"


def _type(kind: Any) -> str:  # noqa: ANN401 — a type
    members = members_of(kind)
    if len(members) > 1:
        return " or ".join(dict.fromkeys("off" if member is type(None) else _type(member) for member in members))
    if get_origin(kind) is tuple:
        return f"list of {_type(written_as(get_args(kind)[0]))}"
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        return "table" if inner is object or inner is Any else f"table of {_type(inner)}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " / ".join(f"`{member.value}`" for member in kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return _WORDS[kind]


def _shipped(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.yaml")):
        root, _ = parse_tree(file.read_bytes(), file=str(file))
        runbook = Reader(folder).struct(root, Runbook, ())
        if runbook is None:
            continue
        steps = [f"{place}. {step.name}: `{step.action}`" for place, step in enumerate(runbook.steps, start=1)]
        advice = [f"- {line}" for line in runbook.advice]
        parts = [
            f"### {runbook.name}",
            f"{runbook.says} For {_code(runbook.match.kinds)}.",
            "\n".join(steps) or "Nothing is done.",
            "If it does not help:\n\n" + "\n".join(advice) if steps else "\n".join(advice),
        ]
        yield "\n\n".join(parts) + "\n"


def write_pages(folder: Path) -> None:
    """Write both pages, and the schemas for editors, to `folder`."""
    from devops_agent.config.schema import runbook_schema, settings_schema

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
    (folder / "runbooks.md").write_text(runbooks_page(), encoding="utf-8")
    for name, schema in (("agent.schema.json", settings_schema()), ("runbook.schema.json", runbook_schema())):
        text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        (folder / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path("docs/reference"))
