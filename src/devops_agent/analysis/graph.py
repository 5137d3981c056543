"""What is known of the components of a system and of who calls whom, in the form that the ranking reads."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from math import isfinite
from statistics import median

from devops_agent.model.fact import Fact
from devops_agent.model.telemetry import Series

Points = dict[float, float]
"""Time, in seconds since 1970, and value."""


class Operation(Fact, kw_only=True):
    """What traces tell of one operation of a component: a figure for every span of time, all spans equally long."""

    name: str
    calls: tuple[str, ...] = ()
    """Components one of which it waits for, several when it is not known which; empty: it is work of its own."""
    serves: bool = False
    """Whether it answers requests from outside the component."""
    times: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    """How often it ran."""
    self_ms: tuple[float, ...] = ()
    """Mean of its duration less that of the operations within it that were traced."""


class Component(Fact, kw_only=True):
    """Something that can be at fault, with all that was measured about it. What is missing is not judged."""

    name: str
    calls: tuple[str, ...] = ()
    """What it depends on."""
    series: tuple[Series, ...] = ()
    """Metrics, and counts from its log for equal spans of time, named `log_errors` and `log_lines`."""
    operations: tuple[Operation, ...] = ()
    evidence: dict[str, str] = {}
    """A series' name → id of the piece of evidence that tells of it."""


class Measure(StrEnum):
    """What a series is about."""

    LATENCY = "latency"
    AVAILABILITY = "availability"
    FAILING = "failing"
    """A share of requests."""
    ERRORS = "errors"
    """A count."""
    LINES = "lines"
    RESOURCE = "resource"
    """A share of what there is: use in other units cannot be compared between components."""
    REQUESTS = "requests"


_LARGEST = 1e100
_LABEL_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*+(?:\"|\Z)", re.DOTALL)
_FOREIGN = ("node", "host", "client")
"""Words of figures about the machine, which others share, or about those that are called."""
_WORDS: tuple[tuple[Measure, tuple[str, ...]], ...] = (
    (Measure.LATENCY, ("latency", "duration", "response_time")),
    (Measure.AVAILABILITY, ("availab", "success")),
    (Measure.ERRORS, ("error", "5xx", "fail", "exception")),
    (Measure.LINES, ("log_lines",)),
    (Measure.RESOURCE, ("cpu", "memory", "disk", "throttl")),
    (Measure.REQUESTS, ("request", "workload", "throughput")),
)
_SHARES = ("percent", "ratio", "share", "%")
_STATISTICS = ("average", "avg", "mean", "p50", "median", "p90", "p95", "p99")
"""Of several latencies the first of these is read: means add up over calls, the higher centiles less and less."""


def without_labels(name: str) -> str:
    """Return a series' name or query without the values of labels: whoever asks for a path may write those."""
    return _LABEL_VALUE.sub("", name)


def measure_of(name: str) -> Measure | None:
    """Return what a series of this name is about, by general words of monitoring; None when they do not tell."""
    words = without_labels(name).lower()
    if any(word in words for word in _FOREIGN):
        return None
    found = next((measure for measure, signs in _WORDS if any(sign in words for sign in signs)), None)
    is_share = any(word in words for word in _SHARES)
    if found is Measure.RESOURCE and not is_share:
        return None
    return Measure.FAILING if found is Measure.ERRORS and is_share else found


def of_measure(component: Component, measure: Measure) -> list[Series]:
    """Return the component's series about `measure`, the most useful first."""
    return sorted((one for one in component.series if measure_of(one.name) is measure), key=_usefulness)


def points_of(series: Series) -> Points:
    """Return a series' values by time, without those that are no numbers, or so large that no sum of them is one."""
    pairs = zip(series.times, series.values, strict=True)
    return {time: value for time, value in pairs if isfinite(value) and abs(value) < _LARGEST}


def counted(name: str, moments: Iterable[float], *, begin: float, end: float, step: float = 60.0) -> Series:
    """Return how many of `moments` (seconds) fall into each whole step from `begin` on, as a series of `name`."""
    counts = [0.0] * max(0, int((end - begin) // step))
    for moment in moments:
        index = int((moment - begin) // step)
        if 0 <= index < len(counts):
            counts[index] += 1
    return Series(name=name, times=tuple(begin + index * step for index in range(len(counts))), values=tuple(counts))


def callers_of(components: Iterable[Component]) -> dict[str, set[str]]:
    """Return component → those that call it."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in components:
        for callee in one.calls:
            if callee != one.name:
                found[callee].add(one.name)
    return found


def usual_requests(components: Iterable[Component], window: tuple[float, float]) -> dict[str, float]:
    """Return component → requests that it usually has; where nobody counts them, what is usual among the others."""
    listed = list(components)
    found: dict[str, float] = {}
    for one in listed:
        usual = [value for time, value in _requests(one).items() if not inside(time, window)]
        if usual:
            found[one.name] = median(usual)
    ordinary = median(found.values()) if found else 1.0
    return {one.name: found.get(one.name, ordinary) for one in listed}


def spent(components: Iterable[Component], usual: Mapping[str, float]) -> dict[str, Points]:
    """Return component → time that all its requests take together, callees' included: latency times their number."""
    found = {}
    for one in components:
        for series in of_measure(one, Measure.LATENCY)[:1]:
            requests = _requests(one)
            found[one.name] = {
                time: value * requests.get(time, usual[one.name]) for time, value in points_of(series).items()
            }
    return found


def failed(components: Iterable[Component], usual: Mapping[str, float]) -> dict[str, Points]:
    """Return component → how many of its usual requests would fail, by availability or share of errors.

    Of its usual ones, as to something that is down no requests may come at all.
    """
    found = {}
    for one in components:
        shares = _failing_share(one)
        if len(set(shares.values())) > 1:
            found[one.name] = {time: share * usual[one.name] for time, share in shares.items()}
    return found


def own(
    totals: Mapping[str, Points], components: Iterable[Component], usual: Mapping[str, float]
) -> Iterator[tuple[str, Points]]:
    """Yield each component with what is left of its totals when those that it calls have taken theirs.

    What a component with several callers takes is divided among them by the number of requests they usually have.
    """
    listed = list(components)
    callers = callers_of(listed)
    for one in listed:
        if one.name not in totals:
            continue
        taken = [
            (totals[callee], usual[one.name] / (sum(usual[caller] for caller in callers[callee]) or 1.0))
            for callee in sorted(set(one.calls) - {one.name})
            if callee in totals
        ]
        yield (
            one.name,
            {
                time: total - sum(part * points.get(time, 0.0) for points, part in taken)
                for time, total in totals[one.name].items()
            },
        )


def inside(time: float, window: tuple[float, float]) -> bool:
    """Whether a time lies in the window, its ends included."""
    return window[0] <= time <= window[1]


def _requests(component: Component) -> Points:
    return next((points_of(series) for series in of_measure(component, Measure.REQUESTS)), {})


def _usefulness(series: Series) -> tuple[int, str]:
    words = series.name.lower()
    return next((index for index, word in enumerate(_STATISTICS) if word in words), len(_STATISTICS)), series.name


def _failing_share(component: Component) -> Points:
    """Return the share of requests that fail, 0 to 1."""
    for series in of_measure(component, Measure.FAILING)[:1]:
        return _as_shares(points_of(series))
    for series in of_measure(component, Measure.AVAILABILITY)[:1]:
        points = points_of(series)
        return {time: 1 - share for time, share in _as_shares(points).items()}
    return {}


def _as_shares(points: Points) -> Points:
    """Return 0 to 1 for what may be in percent: then something lies above 1 sooner or later."""
    unit = 100.0 if max(points.values(), default=0.0) > 1 else 1.0
    return {time: min(1.0, max(0.0, value / unit)) for time, value in points.items()}
