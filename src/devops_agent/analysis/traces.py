"""Finds stack traces among the lines of one stream, or in the text of one field, and counts equal ones."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from devops_agent.analysis import frames
from devops_agent.analysis.frames import Raised
from devops_agent.model.insight import StackTrace

_GAP = 5
"""Lines of other threads, or of a long message, that may stand within a trace."""
_LONGEST = 3_000
"""Lines of one trace that are looked at: an overflown stack in Java has 1,024 frames for each exception."""
_LONGEST_LINE = 2_000
_LOOK_BACK = 4
_AT = re.compile(r"\s+at \S")
_AT_GOES_ON = re.compile(
    r"\s+at |\s*\.\.\. \d+ |\s*Caused by: |\s*Suppressed: |\s+\[cause\]: |\s+\[errors\]|\s+- locked|\}"
)
_PROPERTY = re.compile(r"\s+['\"]?\w[\w$ -]{0,60}['\"]?: |\s*[}\])]+,?$")
_GROUP_ENDS = re.compile(r"\s*\+-+$")
_GO_FILE = re.compile(r"(?:^|\n)\t\S[^\n]*\.go:\d")


class Found(NamedTuple):
    """A trace and where it stands."""

    raised: Raised
    begin: int
    """Place of its first line among the lines."""
    lines: list[int]
    """Places of all lines that belong to it."""


class _Attempt(NamedTuple):
    """Lines that begin like a trace, and what they tell: maybe nothing."""

    raised: Raised | None
    begin: int
    lines: list[int]


class Text(NamedTuple):
    """A line of a stream, as the search for traces sees it."""

    text: str
    headed: bool = False
    """Whether it is a record of its own, so no part of a trace unless it begins one."""


class Seen(NamedTuple):
    """A trace and when it was there."""

    raised: Raised
    at: datetime


def find(lines: Sequence[Text]) -> Iterator[Found]:
    """Yield the traces among the lines of one stream, oldest first."""
    place = 0
    while place < len(lines):
        tried = _try(lines, place)
        if tried is not None and tried.raised is not None:
            yield Found(tried.raised, tried.begin, tried.lines)
        # What told nothing is not looked at again either: a long run of such lines would be read over and over.
        place = place + 1 if tried is None else max(place, tried.lines[-1]) + 1


def parse(text: str) -> Raised | None:
    """Read the first trace in a text with line ends, such as a field `stack_trace`; None when it holds none."""
    cut = [line[:_LONGEST_LINE] for line in text[: _LONGEST * 200].split("\n")[:_LONGEST]]
    found = next(find([Text(line.rstrip("\r")) for line in cut]), None)
    if found is not None:
        return found.raised
    return frames.go(cut, _go_told(cut)) if _GO_FILE.search(text) else None


def group(seen: Iterable[Seen], *, baseline: Iterable[Seen] | None, most: int = 20) -> tuple[StackTrace, ...]:
    """Count traces of one exception at one place; those that the baseline lacks come first, then the most frequent.

    A place is the same in the baseline when file and function are: a line's number moves with each release. Without a
    baseline nothing is new.
    """
    known = None if baseline is None else {_roughly(one.raised) for one in baseline}
    counts: dict[tuple[str, ...], list[Seen]] = {}
    for one in seen:
        counts.setdefault((*_roughly(one.raised), str(one.raised.line)), []).append(one)
    told = [
        StackTrace(
            language=first.raised.language,
            exception=first.raised.exception,
            message=first.raised.message,
            file=first.raised.file,
            line=first.raised.line,
            function=first.raised.function,
            count=len(same),
            first_at=min(one.at for one in same),
            new=known is not None and _roughly(first.raised) not in known,
        )
        for same in counts.values()
        for first in same[:1]
    ]
    return tuple(sorted(told, key=lambda one: (not one.new, -one.count, one.first_at))[:most])


def _roughly(one: Raised) -> tuple[str, ...]:
    return one.language, one.exception, one.file, one.function


def _try(lines: Sequence[Text], place: int) -> _Attempt | None:
    text = lines[place].text
    if frames.PYTHON_BEGINS in text:
        return _python(lines, place)
    if "at " in text and _AT.match(text):
        return _with_frames_at(lines, place)
    if "panic" in text or "fatal error: " in text or text.startswith("goroutine "):
        return _go(lines, place)
    return None


def _python(lines: Sequence[Text], begin: int) -> _Attempt:
    taken = [begin]
    finished = False
    gap = 0
    for place in range(begin + 1, min(begin + _LONGEST, len(lines))):
        text, headed = lines[place]
        inside = not text.strip() or text[0] in " \t"
        if finished and frames.PYTHON_GROUP.match(text):
            break
        if frames.PYTHON_LINK.match(text) or (not headed and frames.PYTHON_BEGINS in text and _linked(lines, taken)):
            finished = False
        elif inside:
            finished = finished or _GROUP_ENDS.match(text) is not None
        elif not finished and _ends_python(text, headed=headed):
            finished = True
        elif headed and gap < _GAP and (not finished or _link_follows(lines, place)):
            gap += 1
            continue
        else:
            break
        taken.append(place)
    while not lines[taken[-1]].text.strip():
        taken.pop()
    return _Attempt(frames.python([lines[place].text for place in taken]), begin, taken)


def _ends_python(text: str, *, headed: bool) -> bool:
    """Return whether a line is the last of a traceback; a message may look like a record's head, its level too."""
    end = frames.PYTHON_RAISED.fullmatch(text)
    return end is not None and (not headed or frames.sounds_raised(end[1]))


def _link_follows(lines: Sequence[Text], place: int) -> bool:
    """Return whether the next line that is neither empty nor a record announces one more traceback of the chain."""
    after = lines[place + 1 : place + 1 + _GAP]
    return (
        frames.PYTHON_LINK.match(next((one.text for one in after if one.text.strip() and not one.headed), ""))
        is not None
    )


def _linked(lines: Sequence[Text], taken: Sequence[int]) -> bool:
    """Return whether the last line that is not empty announces one more traceback of the chain."""
    last = next((lines[place].text for place in reversed(taken) if lines[place].text.strip()), "")
    return frames.PYTHON_LINK.match(last) is not None


def _with_frames_at(lines: Sequence[Text], first: int) -> _Attempt | None:
    """Read Java's and JavaScript's form: a line that names the exception, then frames that begin with `at`."""
    read: Callable[[Sequence[str], str], Raised | None]
    if frames.javascript_frame(lines[first].text):
        read = frames.javascript
    elif frames.java_frame(lines[first].text):
        read = frames.java
    else:
        return None
    head = _head(lines, first)
    body = _walk(lines, first, _at_goes_on)
    raised = read([lines[place].text for place in body], lines[head].text if head is not None else "")
    above = [] if head is None else [place for place in range(head, first) if not lines[place].headed]
    return _Attempt(raised, first if head is None else head, [*above, *body])


def _head(lines: Sequence[Text], first: int) -> int | None:
    """Return the place of the line that names the exception: the nearest that sounds so, else the one right above."""
    above = range(first - 1, max(first - 1 - _LOOK_BACK, -1), -1)
    for place in above:
        text = lines[place].text
        if any(frames.sounds_raised(one[1]) for one in frames.RAISED_NAME.finditer(text[:1_000])):
            return place
        if lines[place].headed or _AT.match(text):
            break
    return first - 1 if first and not _AT.match(lines[first - 1].text) and lines[first - 1].text.strip() else None


def _at_goes_on(text: str) -> bool:
    return _AT_GOES_ON.match(text) is not None or _PROPERTY.match(text) is not None


def _go(lines: Sequence[Text], begin: int) -> _Attempt | None:
    if not frames.GO_BEGINS.match(lines[begin].text):
        return None
    body = _walk(lines, begin, _go_goes_on)
    return _Attempt(frames.go([lines[place].text for place in body]), begin, body)


def _go_goes_on(text: str) -> bool:
    if (
        not text.strip()
        or text[0] == "\t"
        or text.startswith(("goroutine ", "[signal ", "created by ", "exit status ", "..."))
    ):
        return True
    return text.rstrip().endswith(")") and " " not in text.partition("(")[0]


def _walk(lines: Sequence[Text], begin: int, goes_on: Callable[[str], bool]) -> list[int]:
    """Return the places of the lines that go on a trace; what stands between two of them belongs to it if unheaded."""
    taken = [begin]
    for place in range(begin + 1, min(begin + _LONGEST, len(lines))):
        text, headed = lines[place]
        if goes_on(text):
            between = range(taken[-1] + 1, place)
            taken.extend(one for one in between if not lines[one].headed)
            taken.append(place)
        elif place - taken[-1] > _GAP or _begins_another(text, headed=headed):
            break
    while len(taken) > 1 and not lines[taken[-1]].text.strip():
        taken.pop()
    return taken


def _begins_another(text: str, *, headed: bool) -> bool:
    if frames.GO_BEGINS.match(text):
        return not text.startswith("goroutine ")
    return not headed and frames.begins_with_class(text)


def _go_told(lines: Sequence[str]) -> str:
    """Return what stands before the first function of a stack without a head, as `%+v` and loggers print it."""
    return lines[0] if lines and not lines[0].endswith(")") and " " in lines[0] else ""
