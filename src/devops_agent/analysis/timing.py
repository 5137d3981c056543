"""Signs by time: who takes longer than usual himself, and who only waits for somebody."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean, median

from devops_agent.analysis import graph
from devops_agent.analysis.graph import Component, Measure, Operation, inside
from devops_agent.analysis.signs import ORDINARY, Course, Kind, Scene, Sign, rises
from devops_agent.analysis.usual import first_beyond, strangeness

_ORDINARY_MS = 0.1


def slow(scene: Scene) -> Kind:
    """Time: by traces when the window has any, else by latencies."""
    traced = any(
        inside(time, scene.window)
        for one in scene.components.values()
        for operation in one.operations
        for time in operation.times
    )
    return _by_traces(scene) if traced else _by_latency(scene)


@dataclass(frozen=True, kw_only=True)
class _Timing:
    """One operation, now beside usual."""

    component: str
    operation: Operation
    strength: float
    lost: float
    """Milliseconds in the window that it took longer than usual."""
    usual: float
    """Milliseconds that the same would usually have taken."""
    says: str
    begins: float | None


def _by_traces(scene: Scene) -> Kind:
    timings = [timing for one in scene.components.values() for timing in _timings(one, scene.window)]
    return Kind(
        signs=tuple(sign for sign in _laid_at_ends(timings) if sign.strength > 0 and sign.amount > 0),
        usual=sum(timing.usual for timing in timings),
    )


def _laid_at_ends(timings: list[_Timing]) -> Iterator[Sign]:
    """Yield own time as it is, and waiting divided between the caller and those whom it may have waited for.

    Aggregates seldom tell whether the callee, the way to it or the caller itself was slow. A callee is suspected by the
    number of its callers that complain times their share; a caller by how much of all that it does is slow.
    """
    slowed: dict[str, list[float]] = defaultdict(list)
    for timing in timings:
        slowed[timing.component].append(timing.strength)
    complaints = _complaints(timings)
    for timing in timings:
        name, callees = timing.component, timing.operation.calls
        if not callees:
            yield _sign(name, timing, 1.0, f"its own time in {timing.operation.name} was {timing.says}")
            continue
        ends = {callee: complaints[callee] for callee in callees} | {name: fmean(slowed[name])}
        whole = sum(ends.values()) or 1.0
        for end, part in ends.items():
            yield _sign(end, timing, part / whole, f"{name} waited in {timing.operation.name} {timing.says}")


def _complaints(timings: Iterable[_Timing]) -> dict[str, float]:
    by_caller: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for timing in timings:
        for callee in timing.operation.calls:
            worst = max(by_caller[callee][timing.component], timing.strength)
            by_caller[callee][timing.component] = worst
    return {callee: sum(each.values()) ** 2 / len(each) for callee, each in by_caller.items()}


def _timings(component: Component, window: tuple[float, float]) -> Iterator[_Timing]:
    for operation in component.operations:
        points = list(zip(operation.times, operation.counts, operation.self_ms, strict=True))
        before = [each for time, _, each in points if not inside(time, window)]
        now = [(time, count, each) for time, count, each in points if inside(time, window)]
        ran = sum(count for _, count, _ in now)
        if not before or not ran:
            continue
        mean, usual = sum(count * each for _, count, each in now) / ran, median(before)
        least = ORDINARY * abs(usual) + _ORDINARY_MS
        yield _Timing(
            component=component.name,
            operation=operation,
            strength=max(0.0, strangeness(before, mean, least=least)),
            lost=max(0.0, mean - usual) * ran,
            usual=max(0.0, usual) * ran,
            says=_longer(usual, mean),
            begins=first_beyond(((time, each) for time, _, each in now), before, least=least),
        )


def _sign(component: str, timing: _Timing, part: float, says: str) -> Sign:
    amount = part * timing.lost
    return Sign(component=component, strength=timing.strength, amount=amount, says=says, begins=timing.begins)


def _by_latency(scene: Scene) -> Kind:
    components = scene.components
    totals = graph.spent(components.values(), scene.usual_requests)
    signs: list[Sign] = []
    usual = 0.0
    for name, points in graph.own(totals, components.values(), scene.usual_requests):
        latency = graph.of_measure(components[name], Measure.LATENCY)[0]
        course = Course.of(name, latency.name, points, scene.window)
        whole = Course.of(name, latency.name, totals[name], scene.window)
        usual += max(0.0, course.usual)
        seen = Course.of(name, latency.name, graph.points_of(latency), scene.window)
        passing_on = ", more than those that it calls account for" if components[name].calls else ""
        says = f"{latency.name} went from {seen.usual + seen.drift:.3g} to {seen.mean:.3g}{passing_on}"
        signs += rises(course, least=ORDINARY * abs(whole.usual), says=says)
    return Kind(signs=tuple(signs), usual=usual)


def _longer(usual: float, now: float) -> str:
    times = f"×{now / usual:.2g} as long " if usual > 0 else ""
    return f"{times}({usual:.3g} → {now:.3g} ms)"
