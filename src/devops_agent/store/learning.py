"""What is learnt from, as rows: plans and what came of them, waits, predictions and whether they were right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.attempt import Outcome
from devops_agent.model.calibration import Calibration, fit
from devops_agent.model.learning import Tried, Waited
from devops_agent.model.prediction import OUTCOME, PERSON, RELAPSE, RIGHT, WRONG, Prediction
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, to_us

if TYPE_CHECKING:
    from datetime import datetime

_TRIAL = "attempt, incident, target, kind, runbook, actions, version, outcome, relapsed, word, word_at, at"
_PREDICTION = "incident, source, kind, component, target, version, seen, raw, published, at, verdict, judged_by"
_MANY = 500
"""Of one fault class only the newest trials are weighed, so that a choice takes milliseconds after years."""
_MANY_JUDGED = 1_000
"""The same for judged predictions, of all classes."""


def keep_trial(rows: Rows, attempt: str, tried: Tried) -> None:
    """Write what came of a plan; the same attempt again replaces the outcome, and leaves a person's word."""
    rows.run(
        f"INSERT INTO trials ({_TRIAL}) VALUES (:attempt, :incident, :target, :kind, :runbook, :actions, :version,"
        " :outcome, 0, '', NULL, :at) ON CONFLICT (attempt) DO UPDATE SET outcome = excluded.outcome, at = excluded.at",
        attempt=attempt,
        incident=tried.incident,
        target=tried.target,
        kind=tried.kind,
        runbook=tried.runbook,
        actions=" ".join(tried.actions),
        version=tried.version,
        outcome=tried.outcome.value,
        at=to_us(tried.at),
    )


def relapse(rows: Rows, incident: str) -> None:
    """Note that the trouble of an incident came back at once: what had healed it, or waiting, did not last."""
    rows.run("UPDATE trials SET relapsed = 1 WHERE incident = :incident AND outcome = 'healed'", incident=incident)
    rows.run("UPDATE waits SET recovered = 0 WHERE incident = :incident", incident=incident)
    rows.run(
        "UPDATE predictions SET verdict = 'unknown', judged_by = :relapse WHERE incident = :incident"
        " AND judged_by IN ('', :outcome)",
        incident=incident,
        relapse=RELAPSE,
        outcome=OUTCOME,
    )


def relapsed(rows: Rows, incident: str) -> frozenset[str]:
    """Return the attempts after which the trouble of an incident came back at once."""
    found = rows.all("SELECT attempt FROM trials WHERE incident = :incident AND relapsed = 1", incident=incident)
    return frozenset(row["attempt"] for row in found)


def say_of_trial(rows: Rows, incident: str, *, word: str, now: datetime) -> str:
    """Write a person's word on the last plan that was carried out for an incident; return its attempt, or nothing."""
    row = rows.one(
        "SELECT attempt FROM trials WHERE incident = :incident ORDER BY at DESC, length(attempt) DESC, attempt DESC"
        " LIMIT 1",
        incident=incident,
    )
    if row is None:
        return ""
    rows.run(
        "UPDATE trials SET word = :word, word_at = :now WHERE attempt = :attempt",
        word=word,
        now=to_us(now),
        attempt=row["attempt"],
    )
    return str(row["attempt"])


def of_kind(rows: Rows, kind: str, *, besides: str, since: datetime) -> list[Tried]:
    """Return the newest trials against a fault class on any target but one, newest first."""
    return [
        _tried(row)
        for row in rows.all(
            f"SELECT {_TRIAL} FROM trials WHERE kind = :kind AND at >= :since AND target <> :besides"
            " ORDER BY at DESC LIMIT :many",
            kind=kind,
            besides=besides,
            since=to_us(since),
            many=_MANY,
        )
    ]


def of_target(rows: Rows, target: str, kind: str, *, since: datetime) -> list[Tried]:
    """Return the trials against a fault class on a target, oldest first; the newest when there are very many."""
    found = rows.all(
        f"SELECT {_TRIAL} FROM trials WHERE target = :target AND kind = :kind AND at >= :since"
        " ORDER BY at DESC, attempt DESC LIMIT :many",
        target=target,
        kind=kind,
        since=to_us(since),
        many=_MANY,
    )
    return [_tried(row) for row in reversed(found)]


def all_trials(rows: Rows, *, since: datetime, limit: int = 20_000) -> list[Tried]:
    """Return all trials, oldest first; the newest when there are more."""
    found = rows.all(
        f"SELECT {_TRIAL} FROM trials WHERE at >= :since ORDER BY at DESC, attempt DESC LIMIT :limit",
        since=to_us(since),
        limit=limit,
    )
    return [_tried(row) for row in reversed(found)]


def keep_wait(rows: Rows, incident: str, *, target: str, kind: str, recovered: bool, now: datetime) -> None:
    """Write that trouble was left alone for as long as a plan may take, and whether it was over by then."""
    rows.run(
        "INSERT INTO waits (incident, target, kind, recovered, at) VALUES (:incident, :target, :kind, :recovered, :at)"
        " ON CONFLICT (incident) DO UPDATE SET recovered = excluded.recovered, kind = excluded.kind, at = excluded.at",
        incident=incident,
        target=target,
        kind=kind,
        recovered=int(recovered),
        at=to_us(now),
    )


def say_of_wait(rows: Rows, incident: str) -> bool:
    """Take back that an incident's trouble was over by itself: a person mended it; False: nobody had said so."""
    return bool(rows.run("UPDATE waits SET recovered = 0 WHERE incident = :id AND recovered = 1", id=incident))


def waited(rows: Rows, kind: str, *, target: str, since: datetime) -> Waited:
    """Return how often trouble of a fault class was over by itself, here and elsewhere."""
    counts = {True: (0, 0), False: (0, 0)}
    for row in rows.all(
        "SELECT CASE WHEN target = :target THEN 1 ELSE 0 END AS here, sum(recovered) AS over_, count(*) AS n FROM waits"
        " WHERE kind = :kind AND at >= :since GROUP BY CASE WHEN target = :target THEN 1 ELSE 0 END",
        target=target,
        kind=kind,
        since=to_us(since),
    ):
        counts[bool(row["here"])] = (int(row["over_"]), int(row["n"]))
    return Waited(here=counts[True], elsewhere=counts[False])


def waits(rows: Rows, *, since: datetime) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (fault class, target) → (was over by itself, was left alone)."""
    return {
        (row["kind"], row["target"]): (int(row["over_"]), int(row["n"]))
        for row in rows.all(
            "SELECT kind, target, sum(recovered) AS over_, count(*) AS n FROM waits WHERE at >= :since"
            " GROUP BY kind, target",
            since=to_us(since),
        )
    }


def predict(rows: Rows, made: Prediction) -> None:
    """Write a prediction; the same incident, source and class again replaces it, unless it was judged by a person."""
    rows.run(
        f"INSERT INTO predictions ({_PREDICTION}) VALUES (:incident, :source, :kind, :component, :target,"
        " :version, :seen, :raw, :published, :at, 'unknown', '')"
        " ON CONFLICT (incident, source, kind) DO UPDATE SET component = excluded.component, raw = excluded.raw,"
        " published = excluded.published, at = excluded.at, version = excluded.version,"
        " seen = CASE WHEN predictions.seen = 1 AND predictions.judged_by <> :relapse THEN 1 ELSE excluded.seen END,"
        " verdict = 'unknown', judged_by = '' WHERE predictions.judged_by <> :person",
        incident=made.incident,
        source=made.source,
        kind=made.kind,
        component=made.component,
        target=made.target,
        version=made.version,
        seen=int(made.seen),
        raw=made.raw,
        published=made.published,
        at=to_us(made.at),
        person=PERSON,
        relapse=RELAPSE,
    )


def judge(rows: Rows, incident: str, kind: str, *, right: bool, by: str = OUTCOME) -> int:
    """Write whether an incident's predictions of one class were right; return how many.

    What a person said is changed by a person only; so is what was said before the trouble came back.
    """
    return rows.run(
        "UPDATE predictions SET verdict = :verdict, judged_by = :by WHERE incident = :incident AND kind = :kind"
        " AND (judged_by NOT IN (:person, :relapse) OR :by = :person)",
        verdict=RIGHT if right else WRONG,
        by=by,
        incident=incident,
        kind=kind,
        person=PERSON,
        relapse=RELAPSE,
    )


def predictions(rows: Rows, incident: str) -> list[Prediction]:
    """Return an incident's predictions, the newest last."""
    return [
        _prediction(row)
        for row in rows.all(
            f"SELECT {_PREDICTION} FROM predictions WHERE incident = :incident ORDER BY at, source, kind",
            incident=incident,
        )
    ]


def judged(rows: Rows, *, since: datetime, limit: int = 5_000) -> list[Prediction]:
    """Return the newest predictions that were found right or wrong, oldest first."""
    found = rows.all(
        f"SELECT {_PREDICTION} FROM predictions WHERE verdict <> 'unknown' AND at >= :since"
        " ORDER BY at DESC, incident LIMIT :limit",
        since=to_us(since),
        limit=limit,
    )
    return [_prediction(row) for row in reversed(found)]


def calibration(rows: Rows, *, since: datetime) -> Calibration:
    """Return the maps from stated to published confidence that the newest judged predictions teach."""
    return fit(one.judged for one in judged(rows, since=since, limit=_MANY_JUDGED))


def forget(rows: Rows, *, learnt_before: datetime) -> int:
    """Delete older trials, waits and predictions; return how many."""
    tables = ("trials", "waits", "predictions")
    return sum(rows.run(f"DELETE FROM {table} WHERE at < :at", at=to_us(learnt_before)) for table in tables)


def _tried(row: Row) -> Tried:
    return Tried(
        at=from_us(row["at"]),
        incident=row["incident"],
        target=row["target"],
        kind=row["kind"],
        runbook=row["runbook"],
        actions=tuple(row["actions"].split()),
        version=row["version"],
        outcome=Outcome(row["outcome"]),
        relapsed=bool(row["relapsed"]),
        word=row["word"],
        word_at=maybe_time(row["word_at"]),
    )


def _prediction(row: Row) -> Prediction:
    return Prediction(
        incident=row["incident"],
        source=row["source"],
        kind=row["kind"],
        component=row["component"],
        target=row["target"],
        version=row["version"],
        seen=bool(row["seen"]),
        raw=float(row["raw"]),
        published=float(row["published"]),
        at=from_us(row["at"]),
        verdict=row["verdict"],
        judged_by=row["judged_by"],
    )
