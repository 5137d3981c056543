"""How things are shown: tables and sentences for people, one JSON document for programs.

What is shown may come from strangers (labels of alerts, output of programs), so nothing that a terminal would obey
is ever passed through.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = {
    **dict.fromkeys(("well", "resolved", "ok", "allow", "healed", "approved", "alive", "on", "verified"), "green"),
    **dict.fromkeys(("down", "critical", "fail", "deny", "escalated", "failed", "undone", "denied", "silent"), "red"),
    **dict.fromkeys(("unreachable", "unclear", "never seen"), "red"),
    **dict.fromkeys(("warning", "degraded", "warn", "ask", "awaiting_approval", "pending", "paused", "off"), "yellow"),
    **dict.fromkeys(("remediating", "verifying", "investigating", "starting", "started"), "cyan"),
}
# What `str.isprintable` refuses beyond ASCII's own control characters, which JSON escapes by itself.
_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(text: object) -> str:
    """Return `text` with everything that a terminal would obey, or not show, written as an escape."""
    given = str(text)
    if given.isprintable():
        return given
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in given)


def line(text: object = "", *, fg: str | None = None, bold: bool = False) -> None:
    """Write one line to standard output."""
    shown = clean(text)
    click.echo(click.style(shown, fg=fg, bold=bold) if fg or bold else shown)


def note(text: object) -> None:
    """Write one line for people only to standard error: hints, what comes next."""
    click.echo(clean(text), err=True)


def heading(text: str) -> None:
    """Begin a section."""
    click.echo()
    click.echo(click.style(text, bold=True))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, indent: int = 0) -> None:
    """Write aligned columns; a cell that is a known word has its colour.

    A list, which has headings, keeps to a terminal's width; without headings nothing is cut.
    """
    cells = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    every = [[heading.upper() for heading in headings], *cells] if headings else cells
    widths = [max(len(row[place]) for row in every) for place in range(len(every[0]))] if every else []
    room = _room() - indent if headings else 0
    for number, row in enumerate(every):
        shown = "  ".join(
            _cell(cell, width, head=bool(headings) and not number) for cell, width in _fit(row, widths, room)
        )
        click.echo(" " * indent + shown.rstrip())


def document(value: object) -> None:
    """Write one JSON document in which every member is there, defaults too."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()
    click.echo(_UNSEEN.sub(lambda match: _escaped(match[0]).replace("\\x", "\\u00"), text))


def one_line(value: object) -> None:
    """Write one JSON document on one line, for streams of them."""
    import msgspec

    text = msgspec.json.encode(plain(value)).decode()
    click.echo(_UNSEEN.sub(lambda match: _escaped(match[0]).replace("\\x", "\\u00"), text))
    sys.stdout.flush()


def plain(value: object) -> Any:  # noqa: ANN401 — facts hold values of any shape
    """Return what JSON can say of facts: all members, durations as seconds, sets in order."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: plain(one) for name, one in msgspec.structs.asdict(value).items()}
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(one) for one in sorted(value)]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value.total_seconds() if isinstance(value, timedelta) else value


def at(moment: datetime | None) -> str:
    """Return a moment as people read it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "–"


def ago(moment: datetime, *, now: datetime) -> str:
    """Return how long ago, or in how long, `moment` is."""
    passed = now - moment
    return f"{span(passed)} ago" if passed >= timedelta() else f"in {span(-passed)}"


def span(duration: timedelta) -> str:
    """Return a duration in its two largest units."""
    seconds = duration.total_seconds()
    if seconds < 10:  # noqa: PLR2004 — below ten seconds a tenth matters
        return f"{seconds:.1f} s"
    left, parts = int(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def several(count: int, what: str) -> str:
    """Write a number of things: `1 target`, `2 targets`."""
    return f"{count} {what}{'s' * (count != 1)}"


def since_opening(moment: datetime, *, opened: datetime) -> str:
    """Return a moment of a timeline as seconds from its beginning."""
    seconds = (moment - opened).total_seconds()
    if abs(seconds) < 600:  # noqa: PLR2004 — ten minutes: seconds tell the story
        return f"{seconds:+.2f} s"
    return f"{'+' if seconds > 0 else '-'}{span(timedelta(seconds=abs(seconds)))}"


def _fit(row: Sequence[str], widths: Sequence[int], room: int) -> list[tuple[str, int]]:
    """Return the cells with their widths; the last one is cut to what a terminal has left."""
    fitted = list(zip(row, widths, strict=True))
    left = room - sum(widths[:-1]) - 2 * (len(widths) - 1)
    text, width = fitted[-1]
    if room > 0 and len(text) > max(left, 20):
        text = text[: max(left, 20) - 1] + "…"
    return [*fitted[:-1], (text, min(width, len(text)))]


def _cell(text: str, width: int, *, head: bool) -> str:
    padded = text.ljust(width)
    if head:
        return click.style(padded, dim=True)
    return click.style(padded, fg=_COLOURS[text.strip()]) if text.strip() in _COLOURS else padded


def _room() -> int:
    """Return the terminal's width; 0 when there is none to keep to."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _escaped(letter: str) -> str:
    number = ord(letter)
    if letter in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[letter]
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"  # noqa: PLR2004 — two hex digits
