"""Diagnosis without a model: small rules weigh evidence for and against causes; the sums rank them.

Each rule reads evidence and gives weights of evidence in nats (I. J. Good, Probability and the Weighing of Evidence,
1950): a weight of 1 makes a cause e times as likely against its opposite, a negative one refutes. A cause starts at
even odds when an alert claims it, at one in six when none does; the sum of weights is its log-odds. Nothing here knows
names of services or metrics. Pure: the same case gives the same conclusion, so that it can be replayed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from devops_agent.analysis.graph import without_labels
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.insight import Suspect

CLAIMED, UNCLAIMED = 0.0, -1.6
"""Log-odds at which a cause starts."""
_LIKELY = 0.5
_SURE = 0.7
_UNLIKELY = 0.35
_RELEASE = timedelta(minutes=30)
"""How long before trouble a change is a suspect."""
_FEW_LINES = 10


class Case(Fact, kw_only=True):
    """What is to be judged."""

    target: str
    claimed: tuple[str, ...]
    """Fault classes that alerts on the target speak of."""
    began_at: datetime
    evidence: tuple[Evidence, ...]
    """With ids; `target` says whom each piece is about."""
    depends_on: dict[str, tuple[str, ...]] = {}
    """Component → what it depends on."""
    suspects: tuple[Suspect, ...] = ()
    """From the ranking over series and graph."""


class Conclusion(Fact, kw_only=True):
    """What the evidence says."""

    hypotheses: tuple[Hypothesis, ...]
    """Those that are at least worth a look, the likeliest first."""
    well: bool
    """Healthy: looked at from every side that the claims are about, and nothing is wrong."""
    enough: bool
    """Whether there was enough to judge the claims by."""
    says: str
    dropped: int = 0


class Weight(NamedTuple):
    """One rule's word on one cause."""

    kind: str
    component: str
    nats: float
    evidence: str
    """Id of the evidence that it rests on."""
    says: str = ""
    """What it adds for people; empty for what only refutes or supports."""


def judge(case: Case) -> Conclusion:
    """Weigh all evidence of a case."""
    weights = [weight for rule in RULES for weight in rule(case)]
    known = {piece.id for piece in case.evidence if piece.id}
    cited = [weight for weight in weights if weight.evidence in known]
    ranked = _explain_away(case, _hypotheses(case, cited))
    likely = tuple(h for h in ranked if h.confidence >= _LIKELY)
    enough = bool(likely) or all(_looked_into(kind, cited, case) for kind in case.claimed)
    well = enough and not likely and all(_refuted(kind, ranked) for kind in case.claimed)
    return Conclusion(
        hypotheses=tuple(h for h in ranked if h.confidence >= _UNLIKELY),
        well=well,
        enough=enough,
        says=_summary(likely, well=well, enough=enough, case=case),
        dropped=len(weights) - len(cited),
    )


def _hypotheses(case: Case, weights: Iterable[Weight]) -> list[Hypothesis]:
    by_cause: dict[tuple[str, str], list[Weight]] = {}
    for weight in weights:
        by_cause.setdefault((weight.kind, weight.component), []).append(weight)
    return [_hypothesis(case, kind, component, said) for (kind, component), said in by_cause.items()]


def _hypothesis(case: Case, kind: str, component: str, said: list[Weight]) -> Hypothesis:
    prior = CLAIMED if kind in case.claimed and component == case.target else UNCLAIMED
    # Of one kind of evidence the strongest counts whole and the others half: they are not independent of each other.
    ordered = sorted((weight.nats for weight in said), key=abs, reverse=True)
    total = prior + ordered[0] + sum(nats / 2 for nats in ordered[1:])
    telling = sorted((w for w in said if w.nats > 0), key=lambda weight: -weight.nats)
    words = tuple(dict.fromkeys(weight.says for weight in telling if weight.says))[:2]
    return Hypothesis(
        kind=kind,
        says="; ".join(words) or FAULTS[kind].says,
        confidence=round(min(max(_share(total), 0.02), 0.98), 3),
        evidence=tuple(dict.fromkeys(weight.evidence for weight in telling or said))[:8],
        component="" if component == case.target else component,
        refuted_by=_REFUTED_BY.get(kind, ""),
    )


def _explain_away(case: Case, found: list[Hypothesis]) -> list[Hypothesis]:
    """What the target suffers is less its own doing when something that it depends on is surely in trouble."""
    above = _reach(case.target, case.depends_on)
    elsewhere = [h for h in found if h.component in above and h.confidence >= _SURE]
    if elsewhere:
        found = [
            h.with_(confidence=round(h.confidence / 2, 3)) if not h.component and h.kind in _SYMPTOMS else h
            for h in found
        ]
    depth = {name: len(_reach(name, case.depends_on)) for name in (h.component for h in found)}
    explained = {(kind, h.component) for h in found if h.confidence >= _SURE for kind in _EXPLAINS.get(h.kind, ())}

    def order(h: Hypothesis) -> tuple[bool, bool, float, int, int, str]:
        """A cause goes before what it explains; among equals the one that depends on least of the rest."""
        effect = (h.kind, h.component) in explained
        return (
            h.confidence < _LIKELY, effect, -round(h.confidence, 1), depth[h.component], -FAULTS[h.kind].rank, h.kind
        )  # fmt: skip

    return sorted(found, key=order)


def _reach(start: str, depends_on: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    front = [start]
    while front:
        front = [one for name in front for one in depends_on.get(name, ()) if one not in found and one != start]
        found.update(front)
    return found


def _looked_into(kind: str, cited: Iterable[Weight], case: Case) -> bool:
    """Whether a claim was looked into: a figure by its own measure, for a log may keep silent about it."""
    own = {weight.evidence for weight in cited if weight.kind == kind and weight.component == case.target}
    if kind in _MEASURED:
        return any(piece.id in own and piece.name == "reading" for piece in case.evidence)
    return bool(own) or _seen_from_two_sides(case)


def _refuted(kind: str, ranked: Iterable[Hypothesis]) -> bool:
    """Whether a claim that was looked into was found wanting."""
    return all(h.confidence < _UNLIKELY for h in ranked if h.kind == kind and not h.component)


def _seen_from_two_sides(case: Case) -> bool:
    own = {piece.name for piece in case.evidence if piece.target in ("", case.target) and piece.value is not None}
    return len(own & {"state", "log_errors", "reading"}) > 1


def _summary(likely: tuple[Hypothesis, ...], *, well: bool, enough: bool, case: Case) -> str:
    if likely:
        first = likely[0]
        where = first.component or case.target
        return f"{FAULTS[first.kind].says}: {first.says} ({where}, {first.confidence:.0%} sure)"
    if well:
        return f"{case.target} is well by every source that was asked"
    return "nothing points to a cause" if enough else "not enough evidence to judge by"


# Rules: each looks at one sort of evidence.


def states(case: Case) -> Iterator[Weight]:
    """What is seen to be down is; what is seen to be well is not."""
    for piece in _named(case, "state"):
        where = piece.target or case.target
        if piece.value in ("down", "unhealthy", "unreachable"):
            yield Weight(str(piece.value), where, 3.0, piece.id, piece.says)
        elif piece.value == "well":
            for kind in ("down", "unhealthy", "unreachable"):
                yield Weight(kind, where, -2.0, piece.id)


def log_errors(case: Case) -> Iterator[Weight]:
    """More lines of errors than usual speak for errors; a usual number speaks against, unless most lines are errors.

    Who fails for longer than the baseline lasts has got used to it, and is not well.
    """
    for piece in _named(case, "log_errors"):
        where, growth = piece.target or case.target, _number(piece, "growth")
        errors = float(piece.value or 0) if isinstance(piece.value, int | float) else 0.0
        if growth >= 3 and errors >= 5:  # noqa: PLR2004 — thrice the usual, and more than a stray line
            yield Weight("high_error_rate", where, 1.5 if growth < 10 else 2.2, piece.id, piece.says)  # noqa: PLR2004
        elif _number(piece, "lines") >= _FEW_LINES and growth < 1.5:  # noqa: PLR2004
            yield Weight("high_error_rate", where, -1.5 if 2 * errors < _number(piece, "lines") else 0.0, piece.id)


def stack_traces(case: Case) -> Iterator[Weight]:
    """A stack trace that is new names a place in the code."""
    for piece in _named(case, "stack_trace"):
        where, fresh = piece.target or case.target, bool(piece.details.get("new"))
        many = min(math.log1p(float(piece.value or 0)) / 2, 1.0) if isinstance(piece.value, int | float) else 0.0
        yield Weight("code_error", where, (2.2 if fresh else 0.8) + many, piece.id, piece.says)
        yield Weight("high_error_rate", where, 1.0 if fresh else 0.2, piece.id, piece.says)


def patterns(case: Case) -> Iterator[Weight]:
    """New or growing lines of a category speak for the fault that writes such lines.

    Whoever can write into a log can write many: each further pattern of one log adds half of what the one before did.
    A release is blamed only where something was changed: lines alone prove none.
    """
    changed = {weight.component for weight in changes(case)}
    said: Counter[tuple[str, str, str]] = Counter()
    for weight, writer in _patterns(case):
        kind = "high_error_rate" if weight.kind == "bad_release" and writer not in changed else weight.kind
        heard = (kind, weight.component, writer)
        yield weight._replace(kind=kind, nats=weight.nats / 2 ** said[heard])
        said[heard] += 1


def _patterns(case: Case) -> Iterator[tuple[Weight, str]]:
    """Yield what each pattern says, and in whose log."""
    others = {piece.target for piece in case.evidence if piece.target} - {case.target}
    others |= {name for names in case.depends_on.values() for name in names} - {case.target}
    for piece in _named(case, "log_pattern"):
        where = piece.target or case.target
        if not (piece.details.get("new") or _number(piece, "growth") >= 3):  # noqa: PLR2004
            continue
        category = str(piece.details.get("category", ""))
        if category in ("connection", "timeout", "dependency", "database"):
            text = f"{piece.details.get('template', '')} {piece.details.get('example', '')}".lower()
            for name in sorted(other for other in others if other != where and _names(text, other)):
                yield Weight("down", name, 2.0, piece.id, f"{where} says: {piece.says}"), where
            yield Weight("dependency_down", where, 1.0, piece.id, piece.says), where
        elif category in _WRITTEN_BY:
            yield Weight(_WRITTEN_BY[category], where, 1.8, piece.id, piece.says), where


def _names(text: str, name: str) -> bool:
    """Whether a text in small letters names a component: `db` is no part of `mongodb`."""
    return re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", text) is not None


def slow_operations(case: Case) -> Iterator[Weight]:
    """Operations that take much longer than before."""
    for piece in _named(case, "slow_operation"):
        if _number(piece, "growth") >= 2:  # noqa: PLR2004 — twice as long
            yield Weight("high_latency", piece.target or case.target, 1.5, piece.id, piece.says)


def readings(case: Case) -> Iterator[Weight]:
    """A series that left its usual course speaks for its fault; one that did not speaks against."""
    for piece in _named(case, "reading"):
        where = piece.target or case.target
        kind = kind_of_series(str(piece.details.get("series", "")), rises=_rises(piece))
        if not kind:
            continue
        score = _number(piece, "score")
        if score >= _LIKELY:
            yield Weight(kind, where, 3.0 * score, piece.id, piece.says)
        else:
            yield Weight(kind, where, -1.5, piece.id)


def changes(case: Case) -> Iterator[Weight]:
    """What was changed right before the trouble is a suspect."""
    for piece in _named(case, "change"):
        if piece.value not in ("image", "deployment", "git", "config") or not piece.details.get("before"):
            continue  # that something was there for the first time changed nothing
        since = case.began_at - (piece.as_of or piece.at)
        if -timedelta(minutes=1) <= since <= _RELEASE:
            yield Weight("bad_release", piece.target or case.target, 2.4, piece.id, piece.says)


def suspects(case: Case) -> Iterator[Weight]:
    """Where the ranking over all series points, what is wrong there is more likely the cause."""
    for suspect in case.suspects[:1]:
        if suspect.score < _LIKELY or suspect.component == case.target:
            continue
        for piece in case.evidence:
            if piece.id not in suspect.evidence:
                continue
            series = str(piece.details.get("series", ""))
            kind = "high_error_rate" if piece.name == "log_errors" else kind_of_series(series, rises=_rises(piece))
            yield Weight(kind or "unknown", suspect.component, 2.0 * suspect.score, piece.id, suspect.says)


RULES: tuple[Callable[[Case], Iterator[Weight]], ...] = (
    states,
    log_errors,
    stack_traces,
    patterns,
    slow_operations,
    readings,
    changes,
    suspects,
)


def kind_of_series(name: str, *, rises: bool) -> str:
    """Return the fault class that a series speaks of when it rises or falls, by the general words in its name."""
    words = _CAMEL.sub("_", without_labels(name)).lower()
    for spoken, up, down in _SPOKEN_OF:
        if spoken.search(words):
            return up if rises else down
    return ""


_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# A word begins where no letter stands before it: payload is no load, progress no rss, upload neither up nor load.
_SPOKEN_OF: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(rf"(?<![a-z])(?:{words})"), up, down)
    for words, up, down in (
        (r"error|5xx|fail|exception", "high_error_rate", ""),
        (r"latency|duration|response_time|p95|p99", "high_latency", ""),
        (r"availab|success|up(?![a-z])", "", "unhealthy"),
        (r"mem(?:ory)?(?![a-z])|rss(?![a-z])|heap", "memory_pressure", ""),
        (r"cpu|load(?:avg|average)?(?![a-z])", "high_cpu", ""),
        (r"disk|filesystem|inode", "disk_filling", ""),
    )
)
_WRITTEN_BY = {
    "memory": "out_of_memory",
    "disk": "disk_filling",
    "error": "high_error_rate",
    "authentication": "high_error_rate",
    "configuration": "bad_release",
}
_SYMPTOMS = frozenset(
    {"high_error_rate", "high_latency", "unhealthy", "dependency_down", "code_error", "bad_release", "unknown"}
)
_MEASURED = frozenset(
    (
        "high_error_rate", "high_latency", "high_cpu", "memory_pressure", "disk_filling", "log_growth",
        "certificate_expiry",
    )
)  # fmt: skip
"""Claims about a figure."""
_EXPLAINS = {
    "code_error": ("high_error_rate", "unhealthy"),
    "bad_release": ("code_error", "high_error_rate", "high_latency", "unhealthy"),
    "out_of_memory": ("down", "memory_pressure"),
    "down": ("high_error_rate", "high_latency", "unhealthy"),
}
"""Fault class → what follows from it in the same component."""
_REFUTED_BY = {
    "down": "its state shows that it runs and answers",
    "unhealthy": "its health checks pass",
    "unreachable": "it is reached from here",
    "high_error_rate": "its share of failing requests is as usual",
    "code_error": "the same exception at the same rate before the trouble began",
    "bad_release": "the same trouble before that change",
    "high_latency": "its latency is as usual",
    "memory_pressure": "its memory is as usual",
    "out_of_memory": "it was not killed, and its memory is as usual",
    "high_cpu": "its processor time is as usual",
    "disk_filling": "the disk has space left",
    "dependency_down": "everything it depends on is well",
}


def _named(case: Case, name: str) -> Iterator[Evidence]:
    return (piece for piece in case.evidence if piece.name == name)


def _number(piece: Evidence, detail: str) -> float:
    value = piece.details.get(detail, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _rises(piece: Evidence) -> bool:
    return bool(piece.details.get("rises", True))


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
