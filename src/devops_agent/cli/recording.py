"""Recordings: alerts, evidence and decisions in a file, as they are written by `replay --export` and by senders."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from devops_agent.cli.call import Trouble
from devops_agent.cli.exits import Exit
from devops_agent.engine.recorded import Batch
from devops_agent.model.alert import Alert, AlertStatus
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import Fact, from_json, to_json
from devops_agent.model.judgement import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in for times that a sender left out, so that the same file gives the same answer at any time."""
FORMS = (
    "a body that Alertmanager or Grafana posts, one alert, or a line of `devops-agent replay --export`"
    " ({'judgement': …}, {'evidence': …}, {'alert': …})"
)


class Recording(Fact, kw_only=True):
    """What a file holds."""

    batches: tuple[Batch, ...] = ()
    """In the order of their times."""
    evidence: dict[str, tuple[Evidence, ...]] = {}
    """By target."""
    judgements: tuple[Judgement, ...] = ()


class _Kept(msgspec.Struct, kw_only=True):
    """A decision as it is written: its inputs and its result as the JSON that they are."""

    incident: str
    at: datetime
    step: str
    inputs: msgspec.Raw
    result: msgspec.Raw
    version: str


class _Seen(msgspec.Struct, kw_only=True):
    """Evidence as it is written."""

    target: str
    evidence: Evidence


def read(content: bytes) -> Recording:
    """Return what a file holds: one JSON document, a list of them, or one on each line.

    Raises:
        Trouble: it is no JSON, or of no known form; says where.

    """
    alerts: list[tuple[Alert, ...]] = []
    evidence: dict[str, list[Evidence]] = {}
    judgements: list[Judgement] = []
    for where, tree in _entries(content):
        try:
            match tree:
                case {"judgement": inner}:
                    judgements.append(_judgement(inner))
                case {"evidence": _}:
                    seen = msgspec.convert(tree, _Seen)
                    evidence.setdefault(seen.target, []).append(seen.evidence)
                case {"alert": inner}:
                    alerts += _told(msgspec.convert(inner, Alert))
                case _:
                    alerts.append(_posted(tree))
        except (msgspec.MsgspecError, TypeError, RecursionError) as error:
            raise Trouble(f"cannot read {where}: {error}; write {FORMS}", Exit.USAGE) from error
        except Trouble as trouble:
            raise Trouble(f"cannot read {where}: {trouble}", Exit.USAGE) from trouble
    if not (alerts or judgements):
        raise Trouble(f"cannot replay: the file holds neither alerts nor decisions; write {FORMS}", Exit.USAGE)
    return Recording(
        batches=tuple(_in_order(alerts)),
        evidence={target: tuple(pieces) for target, pieces in evidence.items()},
        judgements=tuple(judgements),
    )


def written(judgement: Judgement) -> str:
    """Return the line of a decision."""
    kept = _Kept(
        incident=judgement.incident,
        at=judgement.at,
        step=judgement.step,
        inputs=msgspec.Raw(judgement.inputs_json.encode()),
        result=msgspec.Raw(judgement.result_json.encode()),
        version=judgement.version,
    )
    return to_json({"judgement": kept})


def written_evidence(target: str, piece: Evidence) -> str:
    """Return the line of a piece of evidence."""
    return to_json({"target": target, "evidence": piece})


def written_alert(alert: Alert) -> str:
    """Return the line of an alert."""
    return to_json({"alert": alert})


def _entries(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield (where, JSON value) for everything in a file."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        yield from _lines(content, error)
        return
    bodies = isinstance(tree, list) and any(isinstance(one, dict) and "labels" not in one for one in tree)
    if bodies:
        yield from ((f"entry {number}", one) for number, one in enumerate(tree, start=1))
    else:
        yield "the file", tree


def _lines(content: bytes, whole: Exception) -> Iterator[tuple[str, Any]]:
    lines = [(number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip()]
    for number, line in lines:
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            says = f"the file is no JSON ({whole})" if len(lines) == 1 else f"line {number} is no JSON ({error})"
            raise Trouble(f"cannot read it: {says}; write {FORMS}", Exit.USAGE) from error


def _judgement(inner: Any) -> Judgement:  # noqa: ANN401 — JSON may be of any shape
    kept = from_json(to_json(inner), _Kept)
    return Judgement(
        incident=kept.incident,
        at=kept.at,
        step=kept.step,
        inputs_json=bytes(kept.inputs).decode(),
        result_json=bytes(kept.result).decode(),
        version=kept.version,
    )


def _told(alert: Alert) -> list[tuple[Alert, ...]]:
    """Return what was said of an alert, whose row only has the last word: that it began, and that it ended."""
    begun = (alert.with_(status=AlertStatus.FIRING, ends_at=None),)
    return [begun] if alert.firing else [begun, (alert,)]


def _posted(tree: Any) -> tuple[Alert, ...]:  # noqa: ANN401 — JSON may be of any shape
    from devops_agent.cli.rehearse import read_alerts

    return tuple(read_alerts(json.dumps(tree).encode(), now=_EPOCH))


def _in_order(batches: Iterable[tuple[Alert, ...]]) -> Iterator[Batch]:
    """Yield batches by time; what has none stays behind what stands before it."""
    timed: list[Batch] = []
    last = _EPOCH
    for alerts in batches:
        last = max((at for alert in alerts if (at := _at(alert)) > _EPOCH), default=last)
        timed.append(Batch(at=last, alerts=alerts))
    yield from sorted(timed, key=lambda one: one.at)


def _at(alert: Alert) -> datetime:
    return alert.starts_at if alert.firing or alert.ends_at is None else alert.ends_at
