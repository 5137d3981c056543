"""Reports as rows, each made once for its period; and what happened within a time, for reports and change logs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from devops_agent.model.alert import Alert
from devops_agent.model.attempt import Outcome
from devops_agent.model.event import Event
from devops_agent.model.fact import from_json, to_json
from devops_agent.model.period import Period
from devops_agent.model.report import Case, Firing, Made, Report, Tally
from devops_agent.store import events, incidents
from devops_agent.store.rows import Rows, from_us, to_us

if TYPE_CHECKING:
    from devops_agent.model.incident import Incident

_REACTIONS = ("acknowledged", "handed_over", "approved", "denied", "guided", "feedback", "muted")
"""Events by which a person does something about an incident."""
_ASKED = ("escalated", "awaiting_approval")
_TOLD = ("opened", "resolved", *_ASKED, *_REACTIONS)


def keep(rows: Rows, report: Report) -> bool:
    """Write a report; False when one of its period is there already."""
    return bool(
        rows.run(
            "INSERT INTO reports (kind, name, begins_at, ends_at, made_at, report_json)"
            " VALUES (:kind, :name, :begin, :end, :made_at, :report_json) ON CONFLICT (kind, name) DO NOTHING",
            kind=report.period.kind,
            name=report.period.name,
            begin=to_us(report.period.begin),
            end=to_us(report.period.end),
            made_at=to_us(report.made_at),
            report_json=to_json(report),
        )
    )


def get(rows: Rows, kind: str, name: str) -> Report | None:
    """Return a report that was made."""
    row = rows.one("SELECT report_json FROM reports WHERE kind = :kind AND name = :name", kind=kind, name=name)
    return from_json(row["report_json"], Report) if row else None


def is_made(rows: Rows, period: Period) -> bool:
    """Whether the report of a period was made."""
    found = rows.one(
        "SELECT 1 AS there FROM reports WHERE kind = :kind AND name = :name", kind=period.kind, name=period.name
    )
    return found is not None


def latest(rows: Rows, *, kind: str = "", limit: int = 100) -> list[Made]:
    """Return which reports are kept, the newest first; of one kind or of all."""
    return [
        Made(
            period=Period(
                kind=row["kind"], name=row["name"], begin=from_us(row["begins_at"]), end=from_us(row["ends_at"])
            ),
            made_at=from_us(row["made_at"]),
        )
        for row in rows.all(
            "SELECT kind, name, begins_at, ends_at, made_at FROM reports WHERE :kind = '' OR kind = :kind"
            " ORDER BY ends_at DESC, kind LIMIT :limit",
            kind=kind,
            limit=limit,
        )
    ]


def forget(rows: Rows, *, made_before: datetime) -> int:
    """Delete older reports; return how many."""
    return rows.run("DELETE FROM reports WHERE made_at < :at", at=to_us(made_before))


def begun_at(rows: Rows) -> datetime | None:
    """Return since when anything is known; None: nothing is."""
    row = rows.one(
        "SELECT min(at) AS at FROM (SELECT min(opened_at) AS at FROM incidents UNION ALL"
        " SELECT min(at) AS at FROM readings) known"
    )
    return None if row is None or row["at"] is None else from_us(row["at"])


def cases(rows: Rows, *, begin: datetime, end: datetime) -> list[Case]:
    """Return the incidents that were opened or closed from `begin` until before `end`, oldest first.

    Of what came after `end` nothing is told but when an incident was closed.
    """
    found = incidents.within(rows, begin=begin, end=end)
    if not found:
        return []
    since = min(one.opened_at for one in found)
    told: dict[str, list[Event]] = {one.id: [] for one in found}
    for event in events.of_kinds(rows, _TOLD, begin=since, end=end):
        if event.incident in told:
            told[event.incident].append(event)
    outcomes = _outcomes(rows, begin=since, end=end)
    relapsed = {
        row["incident"]
        for row in rows.all("SELECT incident FROM trials WHERE relapsed = 1 AND at >= :since", since=to_us(since))
    }
    return [_case(one, told[one.id], outcomes=outcomes.get(one.id, ()), relapsed=one.id in relapsed) for one in found]


def tally(rows: Rows, *, begin: datetime, end: datetime) -> Tally:
    """Return the counts of a time, from `begin` until before `end`."""
    span = {"begin": to_us(begin), "end": to_us(end)}

    def counts(sql: str) -> dict[str, int]:
        return {row["name"]: int(row["n"]) for row in rows.all(sql, **span)}

    within = ">= :begin AND {0} < :end"
    trials = rows.one(
        "SELECT sum(CASE WHEN relapsed = 1 AND word <> 'harmful' THEN 1 ELSE 0 END) AS relapsed,"
        " sum(CASE WHEN word = 'harmful' THEN 1 ELSE 0 END) AS harmful FROM trials"
        f" WHERE at {within.format('at')} AND outcome <> 'undone'",
        **span,
    )
    answers = counts(
        "SELECT answer AS name, count(*) AS n FROM approvals WHERE asked_at"
        f" {within.format('asked_at')} GROUP BY answer ORDER BY answer"
    )
    return Tally(
        asked=sum(answers.values()),
        answers={name: n for name, n in answers.items() if name in ("approved", "denied", "expired")},
        plans=counts(
            "SELECT outcome AS name, count(*) AS n FROM attempts WHERE ordered = 0 AND started_at"
            f" {within.format('started_at')} GROUP BY outcome ORDER BY outcome"
        ),
        relapsed=int(trials["relapsed"] or 0) if trials else 0,
        harmful=int(trials["harmful"] or 0) if trials else 0,
        notices=counts(
            "SELECT kind AS name, count(*) AS n FROM outbox WHERE created_at"
            f" {within.format('created_at')} GROUP BY kind ORDER BY kind"
        ),
        deliveries=counts(
            "SELECT stage AS name, count(*) AS n FROM deliveries WHERE created_at"
            f" {within.format('created_at')} GROUP BY stage ORDER BY stage"
        ),
    )


def firings(rows: Rows, *, begin: datetime, end: datetime, names: int = 10, each: int = 2_000) -> list[Firing]:
    """Return the firings of the alerts that fired most often in a time: of so many names, and of each so many."""
    span = {"begin": to_us(begin), "end": to_us(end)}
    found: list[Firing] = []
    for often in rows.all(
        "SELECT name, target, count(*) AS n FROM alerts WHERE received_at >= :begin AND received_at < :end"
        " GROUP BY name, target ORDER BY n DESC, name, target LIMIT :names",
        **span,
        names=names,
    ):
        for row in rows.all(
            "SELECT alert_json, incident FROM alerts WHERE name = :name AND target = :target"
            " AND received_at >= :begin AND received_at < :end ORDER BY received_at DESC LIMIT :each",
            **span,
            name=often["name"],
            target=often["target"],
            each=each,
        ):
            alert = from_json(row["alert_json"], Alert)
            found.append(
                Firing(
                    alert=often["name"],
                    target=often["target"],
                    fingerprint=alert.fingerprint,
                    began_at=alert.starts_at,
                    ended_at=None if alert.firing else alert.ends_at,
                    incident=row["incident"],
                )
            )
    return found


def messages(rows: Rows, *, begin: datetime, end: datetime) -> dict[str, int]:
    """Return incident → messages that people got because of it, of a time."""
    return {
        row["incident"]: int(row["n"])
        for row in rows.all(
            "SELECT o.incident, count(*) AS n FROM deliveries d JOIN outbox o ON o.id = d.notice"
            " WHERE d.stage = 'sent' AND o.incident <> '' AND o.created_at >= :begin AND o.created_at < :end"
            " GROUP BY o.incident",
            begin=to_us(begin),
            end=to_us(end),
        )
    }


def _case(incident: Incident, told: list[Event], *, outcomes: tuple[Outcome, ...], relapsed: bool) -> Case:
    opened = next((event for event in told if event.kind == "opened"), None)
    asked = next((event.at for event in told if event.kind in _ASKED), None)
    last = next((event for event in reversed(told) if event.kind == "resolved"), None)
    by_person = last is not None and last.says.startswith("closed by ")
    reactions = [event.at for event in told if event.kind in _REACTIONS]
    reactions += [last.at] if last is not None and by_person else []
    return Case(
        incident=incident,
        began_at=_moment(opened.data.get("began")) if opened else None,
        asked_at=asked,
        reacted_at=min((at for at in reactions if asked is None or at >= asked), default=None),
        escalated=any(event.kind == "escalated" for event in told),
        approved=any(event.kind == "approved" for event in told),
        by_person=by_person,
        outcomes=outcomes,
        relapsed=relapsed,
    )


def _outcomes(rows: Rows, *, begin: datetime, end: datetime) -> dict[str, tuple[Outcome, ...]]:
    found: dict[str, tuple[Outcome, ...]] = {}
    for row in rows.all(
        "SELECT incident, outcome FROM attempts WHERE started_at >= :begin AND started_at < :end ORDER BY started_at",
        begin=to_us(begin),
        end=to_us(end),
    ):
        found[row["incident"]] = (*found.get(row["incident"], ()), Outcome(row["outcome"]))
    return found


def _moment(value: object) -> datetime | None:
    try:
        moment = msgspec.convert(value, type=datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo is not None else None
