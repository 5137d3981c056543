"""Where it began: ranks components by what is strange about themselves, once what they only pass on is taken off.

A fault shows at its victims too, and often louder there. So for each kind of sign the part that comes from elsewhere is
taken away first:

- *time*: with traces, self time is a component's own by definition, and time that an operation spends waiting for a
  call is laid at both its ends: at the callee the more, the more of its callers wait longer than ever; at the caller,
  the more of all that it does is slower. Without traces, its own is latency × requests, less that of its callees.
- *failures*: failed requests, less those of its callees; log errors and failed operations count as far as nothing that
  it calls fails strangely too.
- *resources*: shares of processor, memory, disk are its own.
- *shape*: how often operations run for a request, and *lines*: how much it logs for one; as far as its callees keep
  theirs.

Within a kind, suspicion is shared by strength (how far from its own usual course, `usual.strangeness`) times amount
(how much of the system's time, failures, …), so neither a noisy trifle nor a big but ordinary swing wins. Kinds count
by their strongest sign and by how much of the whole is affected. A component is suspected less when one that it calls
became strange before it, and more when it was just changed.

Ideas from: P. Chen et al., "CauseInfer", INFOCOM 2014 (go from the victim to the cause along strange components);
M. Kim et al., "Root cause detection in a service-oriented architecture" (MonitorRank), SIGMETRICS 2013 (blame flows
along calls); K. Budhathoki et al., "Causal structure-based root cause analysis of outliers", ICML 2022 (a component's
own mechanism instead of its totals). Nothing is searched or trained: each score is one formula whose parts are told.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import exp

from devops_agent.analysis import graph
from devops_agent.analysis.graph import Component
from devops_agent.analysis.signs import Kind, Scene, Sign, failing, misshapen, strained, terse
from devops_agent.analysis.timing import slow
from devops_agent.model.insight import Suspect
from devops_agent.model.telemetry import Change

KINDS: tuple[Callable[[Scene], Kind], ...] = (slow, failing, strained, misshapen, terse)

_CHANGED = 0.5
"""What a change right before the trouble weighs, as a share of all that is strange."""
_CHANGE_FADES = 900.0
"""Seconds between a change and the trouble over which it grows e times less suspect."""
_LATE = 0.8
"""What remains of suspicion when a callee was strange first: clocks and steps are coarse, so not less."""
_TRIFLE = 0.1
_TOLD = 3


def rank(
    components: Iterable[Component], *, window: tuple[float, float], changes: Iterable[Change] = ()
) -> tuple[Suspect, ...]:
    """Return the components that the cause may lie in, the most suspect first; none when nothing is strange.

    Args:
        components: All that was looked at. Points inside the window tell what is now, all others what is usual.
        window: First and last moment of the trouble, in seconds since 1970.
        changes: What was done to the components lately.

    """
    listed = {one.name: one for one in components}
    scene = Scene(components=listed, window=window)
    blame: dict[str, float] = defaultdict(float)
    signs: dict[str, list[Sign]] = defaultdict(list)
    for look in KINDS:
        kind = look(scene)
        whole = sum(sign.strength * sign.amount for sign in kind.signs)
        for sign in kind.signs:
            blame[sign.component] += kind.weight * sign.strength * sign.amount / whole
            signs[sign.component].append(sign)
    begins = {name: _begin(found) for name, found in signs.items()}
    for name in _late(scene, blame, begins):
        blame[name] *= _LATE
    strange = sum(blame.values())
    for name, sign in _changed(listed, changes, window):
        blame[name] += _CHANGED * strange * sign.strength
        signs[name].append(sign)
    return _suspects(scene, blame, signs, begins)


def _begin(signs: Sequence[Sign]) -> float | None:
    return min((sign.begins for sign in signs if sign.begins is not None), default=None)


def _late(scene: Scene, blame: Mapping[str, float], begins: Mapping[str, float | None]) -> list[str]:
    """Return those that became strange after something that they call and that is no trifle beside them."""
    return [
        name
        for name, begin in begins.items()
        if begin is not None
        and any(
            (other := begins.get(callee)) is not None and other < begin and blame[callee] > _TRIFLE * blame[name]
            for callee in scene.calls(name)
        )
    ]


def _changed(
    components: Mapping[str, Component], changes: Iterable[Change], window: tuple[float, float]
) -> Iterator[tuple[str, Sign]]:
    """Yield each component that was changed before the window's end, with the change that was nearest to its begin."""
    nearest: dict[str, Sign] = {}
    for change in changes:
        at = change.at.timestamp()
        if change.target not in components or at > window[1]:
            continue
        strength = exp(-max(0.0, window[0] - at) / _CHANGE_FADES)
        if change.target not in nearest or strength > nearest[change.target].strength:
            says = f"{change.says} at {change.at:%H:%M}"
            nearest[change.target] = Sign(component=change.target, strength=strength, amount=1.0, says=says)
    yield from nearest.items()


def _suspects(
    scene: Scene,
    blame: Mapping[str, float],
    signs: Mapping[str, Sequence[Sign]],
    begins: Mapping[str, float | None],
) -> tuple[Suspect, ...]:
    whole = sum(blame.values())
    callers = graph.callers_of(scene.components.values())
    guilty = sorted((name for name in blame if blame[name] > 0), key=lambda name: (-blame[name], name))
    return tuple(
        Suspect(
            component=name,
            score=blame[name] / whole,
            says=_says(signs[name], begins.get(name), [begins.get(caller) for caller in callers.get(name, ())]),
            evidence=_cited(scene.components.get(name), signs[name]),
        )
        for name in guilty
    )


def _says(signs: Sequence[Sign], begins: float | None, callers: Sequence[float | None]) -> str:
    """Return the strongest signs in words, and whether they came before those at the callers."""
    ordered = sorted(signs, key=lambda sign: -sign.strength * sign.amount)
    said = "; ".join(list(dict.fromkeys(sign.says for sign in ordered))[:_TOLD])
    if begins is None:
        return said
    known = [moment for moment in callers if moment is not None]
    first = ", before what calls it" if known and begins < min(known) else ""
    return f"{said}; from {datetime.fromtimestamp(begins, UTC):%H:%M} UTC on{first}"


def _cited(component: Component | None, signs: Sequence[Sign]) -> tuple[str, ...]:
    known = component.evidence if component else {}
    return tuple(dict.fromkeys(known[sign.series] for sign in signs if sign.series in known))
