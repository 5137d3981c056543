"""Signs that something is strange about a component itself, and those that metrics, logs and counts give."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from statistics import fmean, median

from devops_agent.analysis import graph
from devops_agent.analysis.graph import Component, Measure, Operation, Points, inside
from devops_agent.analysis.usual import first_beyond, strangeness
from devops_agent.model.fact import Fact

ORDINARY = 0.1
"""Spread of a figure that is ordinary, as a share of it."""
_ENOUGH_USUAL = 3
"""Values without which nobody can say what is usual."""
_ENOUGH_REQUESTS = 5
_RARE = 0.3
"""Variance that chance gives the mean of counts that are usually none."""


class Sign(Fact, kw_only=True):
    """Something strange about a component itself."""

    component: str
    strength: float
    """0 to 1."""
    amount: float
    """In the unit of its kind."""
    says: str
    series: str = ""
    begins: float | None = None


class Kind(Fact, kw_only=True):
    """All signs of one kind, and how much of it there is usually in the whole system, in the unit of their amounts."""

    signs: tuple[Sign, ...] = ()
    usual: float = 0.0
    relative: bool = False
    """Whether amounts are shares of the component's own, 0 to 1, instead of summing up over the system."""

    @property
    def weight(self) -> float:
        """0 to 1: how strange the strangest is, times how much of the whole is affected."""
        if not self.signs:
            return 0.0
        strongest = max(sign.strength for sign in self.signs)
        if self.relative:
            return strongest * max(sign.strength * sign.amount for sign in self.signs)
        more = sum(sign.strength * sign.amount for sign in self.signs)
        return strongest * sqrt(more / (more + max(0.0, self.usual)))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where signs are looked for."""

    components: Mapping[str, Component]
    window: tuple[float, float]

    @cached_property
    def usual_requests(self) -> dict[str, float]:
        """Component → requests that it usually has."""
        return graph.usual_requests(self.components.values(), self.window)

    @cached_property
    def requests(self) -> dict[str, Points]:
        """Component → requests that traces saw, by time."""
        return {name: _traced_requests(one) for name, one in self.components.items()}

    def calls(self, name: str) -> set[str]:
        """Return what a component calls, itself left out; nothing for one that only others' traces tell of."""
        return set(self.components[name].calls) - {name} if name in self.components else set()

    def served(self, name: str) -> float:
        """Return how many requests traces saw in the window."""
        return sum(count for time, count in self.requests[name].items() if inside(time, self.window))


@dataclass(frozen=True, kw_only=True)
class Course:
    """What became of one figure of a component."""

    component: str
    name: str
    before: Sequence[float]
    lately: Sequence[float]
    """Those from before that are no farther from the window's begin than its end is."""
    now: Sequence[tuple[float, float]]
    """Time and value, oldest first."""

    @classmethod
    def of(cls, component: str, name: str, points: Points, window: tuple[float, float]) -> "Course":
        """Divide points by whether they lie in the window."""
        ordered = sorted(points.items())
        return cls(
            component=component,
            name=name,
            before=[value for time, value in ordered if not inside(time, window)],
            lately=[value for time, value in ordered if 2 * window[0] - window[1] <= time < window[0]],
            now=[(time, value) for time, value in ordered if inside(time, window)],
        )

    @property
    def usual(self) -> float:
        """The median before; 0 when nothing is known."""
        return median(self.before) if self.before else 0.0

    @property
    def mean(self) -> float:
        """The mean now; 0 when nothing is known."""
        return fmean(value for _, value in self.now) if self.now else 0.0

    @property
    def drift(self) -> float:
        """How far it had risen before the trouble already, which therefore has nothing to do with it."""
        return max(0.0, median(self.lately) - self.usual) if self.lately else 0.0


def rises(course: Course, *, least: float, says: str = "", enough: int = _ENOUGH_USUAL) -> Iterator[Sign]:
    """Yield a sign when the mean now lies above what was usual before, and above what it was lately.

    Args:
        course: The figure.
        least: A spread of it that is ordinary.
        says: What to tell instead of both figures.
        enough: How many values tell what is usual.

    """
    if not course.now or len(course.before) < enough:
        return
    least = max(least, 1e-9)
    mean = course.mean - course.drift
    strength = strangeness(course.before, mean, least=least)
    if strength > 0:
        risen = ((time, value - course.drift) for time, value in course.now)
        yield Sign(
            component=course.component,
            strength=strength,
            amount=mean - course.usual,
            says=says or f"{course.name} went from {course.usual + course.drift:.3g} to {course.mean:.3g}",
            series=course.name,
            begins=first_beyond(risen, course.before, least=least),
        )


def failing(scene: Scene) -> Kind:
    """Requests that fail by a component's metrics; errors in its log, and operations that are named for failing."""
    components = scene.components
    totals = graph.failed(components.values(), scene.usual_requests)
    signs: list[Sign] = []
    usual = 0.0
    for name, points in graph.own(totals, components.values(), scene.usual_requests):
        course = Course.of(name, _named(components[name], Measure.FAILING, Measure.AVAILABILITY), points, scene.window)
        usual += max(0.0, fmean(course.before)) if course.before else 0.0
        says = (
            f"{course.mean:.3g} of its requests failed by itself, usually {max(0.0, course.usual + course.drift):.3g}"
        )
        signs += rises(course, least=ORDINARY, says=says)
    courses = {name: list(_errors(one, scene)) for name, one in components.items()}
    usual += sum(fmean(course.before) for each in courses.values() for course in each if course.before)
    found = {
        name: _strongest(sign for course in each for sign in _more_errors(course)) for name, each in courses.items()
    }
    signs += _unexplained(scene, {name: sign for name, sign in found.items() if sign is not None})
    return Kind(signs=_counting(signs), usual=usual)


def strained(scene: Scene) -> Kind:
    """Processor, memory and disk in use."""
    signs: list[Sign] = []
    usual = 0.0
    for name, one in scene.components.items():
        for series in graph.of_measure(one, Measure.RESOURCE):
            course = Course.of(name, series.name, graph.points_of(series), scene.window)
            usual += max(0.0, course.usual)
            signs += rises(course, least=ORDINARY * abs(course.usual))
    return Kind(signs=_counting(signs), usual=usual)


def misshapen(scene: Scene) -> Kind:
    """Operations that run more or less often for a request than ever: work is left out, or repeated."""
    found, usual = {}, 0.0
    for name, one in scene.components.items():
        shapes = [_shape(name, operation, scene) for operation in one.operations]
        usual += sum(often for often, _ in shapes)
        strongest = _strongest(sign for _, sign in shapes if sign is not None)
        if strongest is not None:
            found[name] = strongest
    return Kind(signs=_counting(_unexplained(scene, found)), usual=usual)


def terse(scene: Scene) -> Kind:
    """Lines that are logged for a request: a program that takes another way says other things."""
    found = {}
    for name, one in scene.components.items():
        for series in graph.of_measure(one, Measure.LINES)[:1]:
            before, now = _per_request(graph.points_of(series), name, scene)
            if before:
                usual = median(before)
                strength = abs(strangeness(before, now, least=ORDINARY / 2 * usual + 0.01))
                says = f"it logged {_often(usual, now)} for a request"
                amount = abs(now - usual) / (max(now, usual) or 1.0)
                found[name] = Sign(component=name, strength=strength, amount=amount, says=says, series=series.name)
    return Kind(signs=_counting(_unexplained(scene, found)), relative=True)


def _often(usual: float, now: float) -> str:
    """Return in words how much more often something happens than usually."""
    return f"×{now / usual:.2g} as often" if usual > 0 else "what it never did"


def _named(component: Component, *measures: Measure) -> str:
    return next((series.name for measure in measures for series in graph.of_measure(component, measure)), "")


def _errors(component: Component, scene: Scene) -> Iterator[Course]:
    for series in graph.of_measure(component, Measure.ERRORS):
        yield Course.of(component.name, series.name, graph.points_of(series), scene.window)
    for operation in component.operations:
        if graph.measure_of(operation.name) is Measure.ERRORS:
            points = dict.fromkeys(scene.requests[component.name], 0.0) | _sums(operation)
            yield Course.of(component.name, operation.name, points, scene.window)


def _more_errors(course: Course) -> Iterator[Sign]:
    """Yield a sign for more errors than chance gives: counts scatter like their root, so one value is enough."""
    least = sqrt(max(0.0, course.usual) / (len(course.now) or 1) + _RARE)
    return rises(course, least=least, enough=1)


def _shape(name: str, operation: Operation, scene: Scene) -> tuple[float, Sign | None]:
    """Return how often the operation would usually have run, and a sign of it when that is not so."""
    before, now = _per_request(_sums(operation), name, scene)
    if not before:
        return 0.0, None
    served, usual = scene.served(name), median(before)
    chance = sqrt((usual + 0.5 / served) / served) + ORDINARY / 2 * usual
    sign = Sign(
        component=name,
        strength=abs(strangeness(before, now, least=chance)),
        amount=abs(now - usual) * served,
        says=f"{operation.name} ran {_often(usual, now)} for a request",
    )
    return usual * served, sign


def _per_request(counts: Points, name: str, scene: Scene) -> tuple[list[float], float]:
    """Return how many there were for a request before, and now; nothing before when it is too little to tell."""
    requests, served = scene.requests[name], scene.served(name)
    before = [
        counts.get(time, 0.0) / each
        for time, each in requests.items()
        if not inside(time, scene.window) and each >= _ENOUGH_REQUESTS
    ]
    if served < _ENOUGH_REQUESTS or len(before) < _ENOUGH_USUAL:
        return [], 0.0
    return before, sum(count for time, count in counts.items() if inside(time, scene.window)) / served


def _unexplained(scene: Scene, found: Mapping[str, Sign]) -> Iterator[Sign]:
    """Yield the signs, each the weaker the stronger one of those that its component calls shows the same."""
    for name, sign in found.items():
        explained = max((found[callee].strength for callee in scene.calls(name) if callee in found), default=0.0)
        yield sign.with_(strength=sign.strength * (1.0 - explained))


def _strongest(signs: Iterable[Sign]) -> Sign | None:
    return max(signs, key=lambda sign: (sign.strength, sign.amount), default=None)


def _counting(signs: Iterable[Sign]) -> tuple[Sign, ...]:
    return tuple(sign for sign in signs if sign.strength > 0 and sign.amount > 0)


def _traced_requests(component: Component) -> Points:
    """Return requests by time: what its serving operations ran, else what its busiest operation did."""
    serving = [operation for operation in component.operations if operation.serves]
    requests: Points = defaultdict(float)
    for operation in serving or component.operations:
        for time, count in _sums(operation).items():
            requests[time] = requests[time] + count if serving else max(requests[time], count)
    return dict(requests)


def _sums(operation: Operation) -> Points:
    """Return how often it ran by time; a time may be told more than once."""
    sums: Points = defaultdict(float)
    for time, count in zip(operation.times, operation.counts, strict=True):
        sums[time] += count
    return dict(sums)
