"""What is wrong in a file that a person wrote, told so that it can be mended: file, line, place, reason, way out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One thing that is wrong."""

    file: str
    """Path as given, or `$NAME` of an environment variable."""
    line: int = 0
    """From 1; 0: the file as a whole."""
    column: int = 0
    """From 1; 0: the line as a whole."""
    where: str = ""
    """Place in the document: `targets[0].url`."""
    says: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.where, self.says) if part)


class ConfigError(Exception):
    """A file that cannot be used; `problems` holds everything that is wrong, and the text has one problem a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def not_among(what: str, given: str, known: Collection[str]) -> str:
    """Return "no `what` 'given'", with the known name that is meant most likely, and all of them."""
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(given, names, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ";"
    return f"no {what} {shorten(given)!r}{meant} known: {', '.join(names) or 'none'}"


def shorten(text: str, *, to: int = 60) -> str:
    """Return `text`, cut to `to` characters with a sign that it was."""
    return text if len(text) <= to else text[: to - 1] + "…"
