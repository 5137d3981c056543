"""Papers: reports, post-mortems and change logs as sections of text, lists and tables, and their two written forms.

What a paper says may come from strangers (labels, log lines, names). All of it is text: nothing in it can become a
link, a picture, a heading, a cell of a table or a tag, neither in Markdown (CommonMark with GitHub's tables and links)
nor in HTML.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

_LONGEST = 500
"""Characters of one text from outside."""
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#!])")
_LINKS = re.compile(r"(?i)(?<=www)\.|:(?=//)|@")
"""What makes a link of bare text in GitHub's Markdown."""
_BLOCK = re.compile(r"^(?:[-+=]|[0-9]+(?=[.)](?: |$)))")
"""What would begin a list, a rule or a heading at the start of a line."""


class Link(Fact, kw_only=True, tag=True):
    """A text that leads to one of our own pages."""

    text: str
    href: str
    """A URL or path made by us, never one from outside."""


class Text(Fact, kw_only=True, tag=True):
    """A paragraph."""

    says: str


class Items(Fact, kw_only=True, tag=True):
    """A list."""

    items: tuple[str | Link, ...]
    ordered: bool = False
    boxes: bool = False
    """Whether each can be ticked off."""


class Table(Fact, kw_only=True, tag=True):
    """A table; figures are set to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str | Link, ...], ...]
    figures: frozenset[int] = frozenset()
    """Columns that hold figures, from 0."""


class Section(Fact, kw_only=True):
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Text | Items | Table, ...]


class Paper(Fact, kw_only=True):
    """The whole."""

    title: str
    mark: str = ""
    """Such as `draft`; empty: none."""
    lead: tuple[str, ...] = ()
    """Paragraphs before the first section."""
    sections: tuple[Section, ...]


def link(text: str, path: str, url: str | None) -> str | Link:
    """Return a text that leads to a path below `url`; the text alone where nobody knows the way there (None)."""
    return text if url is None else Link(text=text, href=f"{url}{path}")


def markdown(paper: Paper) -> str:
    """Return a paper in Markdown."""
    lines = [f"# {escape(paper.title)}{f' ({escape(paper.mark)})' if paper.mark else ''}", ""]
    for says in paper.lead:
        lines += [escape(says), ""]
    for section in paper.sections:
        lines += [f"## {escape(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def html(paper: Paper) -> str:
    """Return a paper as a page of HTML that needs nothing from outside: for mail, for saving, light and dark."""
    return _template().render(paper=paper, whole=True)


def fragment(paper: Paper) -> str:
    """Return the same without the page around it and without styles, to be set into another page."""
    return _template().render(paper=paper, whole=False)


def escape(text: str) -> str:
    """Return a text from outside as Markdown that shows exactly that text, on one line."""
    line = plain(text)
    escaped = _LINKS.sub(lambda found: f"\\{found[0]}", _SPECIAL.sub(r"\\\1", line))
    return _BLOCK.sub(_disarmed, escaped)


def plain(text: str) -> str:
    """Return a text on one line, cut when it is long, without what cannot be seen or turns text around."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _disarmed(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if not found[0][0].isdigit() else f"{found[0]}\\"


def _block(block: Text | Items | Table) -> list[str]:
    match block:
        case Text(says=says):
            return [escape(says)]
        case Items(items=items, ordered=ordered, boxes=boxes):
            begins = (f"{number}." if ordered else "- [ ]" if boxes else "-" for number in range(1, len(items) + 1))
            return [f"{begin} {_cell(item)}" for begin, item in zip(begins, items, strict=True)]
        case Table(head=head, rows=rows, figures=figures):
            rule = ("---:" if place in figures else "---" for place in range(len(head)))
            return [_row(map(escape, head)), _row(rule), *(_row(map(_cell, row)) for row in rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f"[{escape(cell.text)}](<{_SAFE_HREF.sub(_percent, cell.href)}>)"
    return escape(cell)


_SAFE_HREF = re.compile(r"[^A-Za-z0-9:/?#@!$&'*+,;=%._~-]")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))


@cache
def _template() -> jinja2.Template:
    import jinja2

    text = (resources.files("devops_agent.analysis") / "paper.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["plain"] = plain
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    environment.tests["text"] = lambda block: isinstance(block, Text)
    environment.tests["items"] = lambda block: isinstance(block, Items)
    return environment.from_string(text)
