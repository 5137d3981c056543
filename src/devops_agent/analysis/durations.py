"""Finds in a line how long an operation took."""

import re
from typing import Any

_UNIT = r"(ns|µs|μs|us|ms|msec|millis|milliseconds?|s|secs?|seconds?|min|minutes?)"
_MS = {
    **dict.fromkeys(("ns",), 1e-6),
    **dict.fromkeys(("µs", "μs", "us"), 1e-3),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1e3),
    **dict.fromkeys(("min", "minute", "minutes", "m"), 6e4),
}
_NAME = (
    r"(took|duration|elapsed|latency|runtime|time_taken|rt|urt"
    r"|(?:request|response|query|exec|execution|processing|process|upstream_response|total)[_ -]?time)"
)
_IN_SECONDS = frozenset({"request_time", "upstream_response_time", "query_time", "rt", "urt"})
"""nginx's and MySQL's; other figures without a unit are taken as ms."""
_NAMED = re.compile(
    rf"(?<![a-z]){_NAME}(?:[_ .]?(?:in[_ ])?{_UNIT}\b)?[\"']?\s?(?:=|:|is|was|of)?\s?[\"']?"
    rf"(?:(\d{{1,4}})m)?(\d{{1,12}}(?:\.\d{{1,12}})?)(?:\s?{_UNIT}\b)?(?![\d.:/-])",
    re.IGNORECASE,
)
_AFTER = re.compile(rf"\b(?:in|after|within)\s(?:(\d{{1,4}})m)?(\d{{1,12}}(?:\.\d{{1,12}})?)\s?{_UNIT}\b")
_BARE = re.compile(r"(?<![\w.])(\d{1,12}(?:\.\d{1,12})?)\s?ms\b")
_WAITS = re.compile(
    r"\b(?:retry|again|next|sleep|wait|back(?:ing )?off|backoff|expir|time-?out|timed out|schedul|delay|reconnect"
    r"|every|interval|ttl|max-age|cooldown|grace|uptime|older|ago|idle|limit|keep|lease|session|log(?:ged)? ?out"
    r"|valid)",
    re.IGNORECASE,
)
"""A time that is waited or allowed is not the time that an operation took."""
_FIELD = re.compile(rf"^(?:[\w.]*[_.])?{_NAME}(?:[_.]?{_UNIT})?$|^{_NAME}(Ms|Millis|Seconds|Ns|Us)$", re.IGNORECASE)
_ACCESS_TIME = re.compile(r"(?<![\w.])(\d{1,6}\.\d{3})(?![\w.])")
"""nginx and others end a line with seconds to three decimals."""
_LONGEST_MS = 1e9
"""Twelve days: a larger figure is something else."""


def of_text(message: str) -> float | None:
    """Return the milliseconds that a message says an operation took; None when it says none."""
    named = _NAMED.search(message)
    if named is not None:
        name, suffix, minutes, value, unit = named.groups()
        return _ms(value, unit or suffix or _default(name), minutes)
    found = _AFTER.search(message)
    if found is not None:
        return None if _WAITS.search(message) else _ms(found[2], found[3], found[1])
    bare = _BARE.search(message) if "ms" in message else None
    return None if bare is None or _WAITS.search(message) else _ms(bare[1], "ms")


def of_fields(fields: dict[str, Any]) -> float | None:
    """Return the milliseconds that the first field named after a duration gives; None without such a field."""
    for key, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        named = _FIELD.match(key)
        if named is None:
            continue
        name, unit = named[1] or named[3], (named[2] or named[4] or "").lower()
        return of_text(f"{name}={value}{unit}") if isinstance(value, str) else _ms(value, unit or _default(name))
    return None


def of_access(rest: str) -> float | None:
    """Return the milliseconds in what follows the status in a line of an access log; None when it has none."""
    named = _NAMED.search(rest)
    if named is not None:
        return of_text(rest)
    found = _ACCESS_TIME.search(rest)
    return _ms(found[1], "s") if found else None


def _default(name: str) -> str:
    return "s" if name.lower() in _IN_SECONDS else "ms"


def _ms(value: float | str, unit: str, minutes: str | None = None) -> float | None:
    if not isinstance(value, str) and not 0 <= value <= _LONGEST_MS * 1e6:
        return None
    took = float(value) * _MS[unit.lower()] + float(minutes or 0) * _MS["m"]
    return took if took <= _LONGEST_MS else None
