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
    from collections.abc import Container, Sequence

_COLOURS = {
    **dict.fromkeys(("well", "resolved", "ok", "allow", "healed", "approved", "alive", "on", "verified"), "green"),
    **dict.fromkeys(("down", "critical", "fail", "deny", "escalated", "failed", "undone", "denied", "silent"), "red"),
    **dict.fromkeys(("unreachable", "unclear", "never seen"), "red"),
    **dict.fromkeys(("warning", "degraded", "warn", "ask", "awaiting_approval", "pending", "paused", "off"), "yellow"),
    **dict.fromkeys(("remediating", "verifying", "investigating", "starting", "started"), "cyan"),
}
_LEAST_ROOM = 20
"""Columns; where a line has fewer left, a text begins on the next one."""
_BELOW = 6
"""Columns by which such a text is set in."""
_BULLET = re.compile(r"\s*(?:(?:-|→|\d{1,3}\.) )?")
# What `str.isprintable` refuses beyond ASCII's own control characters, which JSON escapes by itself.
_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def clean(text: object) -> str:
    """Return `text` with everything that a terminal would obey, or not show, written as an escape."""
    given = str(text)
    if given.isprintable():
        return given
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in given)


def line(text: object = "", *, fg: str | None = None, bold: bool = False) -> None:
    """Write one line to standard output; on a terminal it goes on below where its text begins."""
    shown = clean(text)
    begins = _BULLET.match(shown)
    lead = begins[0] if begins else ""
    width = _width()
    parts = _wrapped(shown[len(lead) :], width - len(lead)) if 0 < width < len(shown) else [shown[len(lead) :]]
    for number, part in enumerate(parts):
        whole = (" " * len(lead) if number else lead) + part
        click.echo(click.style(whole, fg=fg, bold=bold or None) if fg or bold else whole)


def note(text: object) -> None:
    """Write one line for people only to standard error: hints, what comes next."""
    click.echo(clean(text), err=True)


def heading(text: str) -> None:
    """Begin a section."""
    click.echo()
    click.echo(click.style(text, bold=True))


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, indent: int = 0, plain_columns: Container[int] = ()
) -> None:
    """Write aligned columns; a cell that is a known word has its colour, but for `plain_columns`.

    On a terminal the last column goes on below itself where it is longer than what is left of a line.
    """
    cells = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    every = [[heading.upper() for heading in headings], *cells] if headings else cells
    widths = [max(len(row[place]) for row in every) for place in range(len(every[0]) - 1)] if every else []
    for number, row in enumerate(every):
        head = bool(headings) and not number
        lead = "".join(
            _cell(cell, width, head=head, plain=place in plain_columns) + "  "
            for place, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        _hang(" " * indent + lead, row[-1], head=head, plain=len(row) - 1 in plain_columns)


def see_reader() -> None:
    """See that somebody still reads what is written.

    Raises:
        BrokenPipeError: whoever read it, such as `head`, has ended.

    """
    import select

    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    seen = select.poll()
    seen.register(output, 0)
    if any(happened & select.POLLERR for _, happened in seen.poll(0)):
        raise BrokenPipeError


def hanging(lead: str, text: object) -> None:
    """Write `lead`, which may be coloured, and a text that goes on below itself where a line ends."""
    _hang(lead, clean(text), head=False, plain=True)


def coloured(text: object, fg: str | None) -> str:
    """Return a text in a colour, for a `lead`."""
    return click.style(clean(text), fg=fg) if fg else clean(text)


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


def roughly(moment: datetime, *, now: datetime) -> str:
    """Return how long ago, or in how long, `moment` is, in its largest unit: for lists."""
    passed = now - moment
    seconds = abs(passed).total_seconds()
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])
    about = f"{round(seconds / size)} {unit}"
    return f"{about} ago" if passed >= timedelta() else f"in {about}"


def span(duration: timedelta) -> str:
    """Return a duration in its two largest units."""
    seconds = duration.total_seconds()
    if seconds < 10:  # noqa: PLR2004 — below ten seconds a tenth matters
        return f"{seconds:.1f} s"
    left, parts = int(seconds), []
    for unit, size in _UNITS:
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


def _hang(lead: str, text: str, *, head: bool, plain: bool) -> None:
    begins = len(click.unstyle(lead))
    width = _width()
    if not width or begins + len(text) <= width:
        click.echo((lead + _cell(text, 0, head=head, plain=plain)).rstrip())
        return
    if width - begins < _LEAST_ROOM:
        click.echo(lead.rstrip())
        lead, begins = " " * _BELOW, _BELOW
    for number, part in enumerate(_wrapped(text, width - begins)):
        click.echo((" " * begins if number else lead) + click.style(part, dim=head or None))


def _wrapped(text: str, room: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(room, _LEAST_ROOM), break_on_hyphens=False) or [text]


def _cell(text: str, width: int, *, head: bool, plain: bool) -> str:
    padded = text.ljust(width)
    if head:
        return click.style(padded, dim=True)
    if plain:
        return padded
    return click.style(padded, fg=_COLOURS[text.strip()]) if text.strip() in _COLOURS else padded


def _width() -> int:
    """Return the terminal's width; 0 when there is none to keep to."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _escaped(letter: str) -> str:
    number = ord(letter)
    if letter in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[letter]
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"  # noqa: PLR2004 — two hex digits
