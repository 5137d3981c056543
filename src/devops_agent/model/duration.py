"""Durations as people write them: `30s`, `5m`, `1h30m`, `2d`; plain numbers are seconds."""

import re
from datetime import timedelta

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[wdhms]) ?)+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[wdhms])")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LONGEST = timedelta(days=3650)


class DurationError(ValueError):
    """A text that is no duration; says how to write one."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` names.

    Raises:
        DurationError: it names none, or one of more than ten years.

    """
    written = text.strip()
    if _PLAIN.fullmatch(written):
        seconds = float(written)
    elif _WHOLE.fullmatch(f"{written} ") or _WHOLE.fullmatch(written):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(written))
    else:
        raise DurationError(f"{text!r} is no duration; write 30s, 5m, 1h30m")
    if seconds > _LONGEST.total_seconds():
        raise DurationError(f"{text!r} is longer than ten years; write 30s, 5m, 1h30m")
    return timedelta(seconds=seconds)


def write_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads as `duration`; parts below a millisecond are dropped."""
    left = round(duration.total_seconds() * 1000)
    if not left:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, left = divmod(left, round(_UNITS[unit] * 1000))
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
