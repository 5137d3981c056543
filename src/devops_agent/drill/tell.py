"""Tell the timeline in plain words, at most 100 columns wide; colour only where a terminal shows it."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, TextIO

from devops_agent.drill.course import changing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.drill.course import Course
    from devops_agent.model.event import Event

WIDTH = 100
_INDENT = 22
_LONGEST = 230
_COLOURS = {"noticed": "33", "decided": "36", "acts": "35", "works": "32", "proven": "32", "person": "31"}
_DECIDED = {"allow": "decided", "ask": "asks", "deny": "refused"}
_LOCAL = re.compile(r"http://127\.0\.0\.1:\d+")
_REASONS = re.compile(r" \(\[Errno \d+\][^;]*\)")
_RESTARTED = re.compile(r"restarted process (\S+): .*?, pid \d+ runs")
_SINCE = re.compile(r" since \d{4}-\S+ \S+ UTC")
_SURE = re.compile(r" \(\d+% sure\)$")


class Speaker:
    """Writes lines, at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colour = out.isatty()

    def line(self, text: str) -> None:
        """Write a line, or an empty one."""
        self._out.write(text + "\n")
        self._out.flush()

    def title(self, text: str) -> None:
        """Begin a part."""
        self.line("")
        self.line(self._paint(text, "1"))

    def text(self, text: str) -> None:
        """Write a paragraph below a title."""
        self.line(textwrap.fill(text, WIDTH, initial_indent="   ", subsequent_indent="   "))

    def moment(self, at: float, word: str, text: str) -> None:
        """Write what happened `at` seconds after the fault."""
        head = f"   {at:6.2f} s  {word:<9}"
        lines = textwrap.wrap(text, WIDTH - _INDENT, break_long_words=True) or [""]
        self.line(head.replace(word, self._paint(word, _COLOURS.get(word, "0")), 1) + " " + lines[0])
        for more in lines[1:]:
            self.line(" " * _INDENT + more)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Write a table; the first row is its head, figures stand to the right."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [
                cell.rjust(width) if 0 < column < len(row) - 1 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            line = "   " + "   ".join(cells).rstrip()
            self.line(self._paint(line, "1") if number == 0 else line)

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


class Story:
    """Turns events of one course into the lines that matter to a newcomer."""

    def __init__(self, say: Speaker, seen: Course, *, actor: str) -> None:
        self._say = say
        self._seen = seen
        self._actor = actor
        self._plan = ""
        self._noticed = ""
        self._proven: set[str] = set()
        self._told: set[str] = set()

    def tell(self, event: Event) -> None:
        """Tell an event, if it is news."""
        if told := self._words(event):
            word, text = told
            who = "" if event.target == self._actor else f"{event.target}: "
            self._say.moment(self._seen.seconds(event.at), word, f"{who}{shorten(text)}")

    def _words(self, event: Event) -> tuple[str, str] | None:  # noqa: PLR0911 — one for each kind of news
        says = event.says
        match event.kind:
            case "opened" | "open":
                self._noticed = says.partition(": ")[2] or says
                return "noticed", self._noticed
            case "diagnosis":
                return "found", self._found(says)
            case "plan":
                self._plan = says.partition(" ")[0]
            case "decision":
                return _DECIDED[says.partition(":")[0]], self._decided(says.partition(": ")[2])
            case "step" | "proven" | "failed":
                return self._step(event)
            case "healthy":
                self._proven.add(event.incident)
                return "proven", says
            case "escalated":
                return "person", f"{says.rstrip('.')}. A person is called, and told what to do next"
            case _:
                return self._rarer(event)
        return None

    def _step(self, event: Event) -> tuple[str, str] | None:
        """Tell of an action's beginning and end, unless it only reads."""
        if event.kind == "step":
            action = changing(event, self._seen.reading)
            return ("acts", action) if action else None
        if event.data.get("action") in self._seen.reading:
            return None
        return ("works", event.says.partition(": ")[2]) if event.kind == "proven" else ("failed", event.says)

    def _rarer(self, event: Event) -> tuple[str, str] | None:
        says = event.says
        if event.kind in ("parent", "held"):
            return "waits", says
        if event.kind == "joined" and " depends on " in says:
            return self._once("waits", f"{says.partition(' joined: ')[2]}, whose incident covers it")
        if event.kind == "investigating" and "did not heal" in says:
            return "failed", says
        if event.kind == "resolved" and event.incident not in self._proven:
            return "closed", says
        return None

    def _once(self, word: str, text: str) -> tuple[str, str] | None:
        if text in self._told:
            return None
        self._told.add(text)
        return word, text

    def _found(self, says: str) -> str:
        kind, _, why = says.partition(": ")
        sure = _SURE.search(why)
        return f"{kind}{sure.group()}" if sure and _SURE.sub("", why) == self._noticed else says

    def _decided(self, why: str) -> str:
        return f"to carry out {self._plan}: {why}" if self._plan else why


def shorten(text: str) -> str:
    """Return the part of a sentence that a reader needs: no local addresses, one reason of several, no numbers."""
    for pattern, instead in ((_LOCAL, ""), (_REASONS, ""), (_SINCE, ""), (_RESTARTED, r"\1 was restarted")):
        text = pattern.sub(instead, text)
    if text.count("; cannot ") and "sure)" not in text:
        text = text.partition("; cannot ")[0]
    elif "; cannot " in text:
        text = text.partition("; cannot ")[0] + " (" + text.rpartition("(")[2]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def seconds(value: float | None) -> str:
    """Write a number of seconds for a table."""
    return "-" if value is None else f"{value:.1f} s"
