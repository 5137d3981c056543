"""Messages: a notice with all that a person needs in order to judge it and to go on, as channels are handed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from devops_agent.model.alert import Alert
from devops_agent.model.decision import Answer, Approval
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Incident
from devops_agent.model.notice import Delivery, Message, Notice, Question, Receipt
from devops_agent.store import alerts, approvals, incidents, insights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from devops_agent.store.rows import Rows

_ASKS = frozenset({"approval", "climbed", "reminder", "handed_over", "unmuted"})
"""Kinds of notices that come with the incident's open question."""
_CLOSES = frozenset({"healed", "resolved"})
_SILENCED_BY = ("alertname", "target", "service", "job", "container", "instance")
"""Labels by which the page offers to silence an incident's alerts."""
_TITLE = 200
_SAYS = 4_000
_LINE = 400
_MANY = 100
_URL = 2_000
_BODY = 500_000


class Known(Fact, kw_only=True):
    """What the rows say beside a notice."""

    incident: Incident | None = None
    question: Approval | None = None
    """What is asked of people, and can still be answered."""
    cause: Hypothesis | None = None
    """The likeliest that a closer look found."""
    alerts: tuple[Alert, ...] = ()
    """Of the incident, those that fire first; not all, when there are very many."""
    firing: int = 0
    received: int = 0


def known(rows: Rows, notice: Notice, *, now: datetime) -> Known:
    """Return what the rows say at this moment of what a notice is about."""
    incident = incidents.get(rows, notice.incident) if notice.incident else None
    if incident is None:
        return Known()
    insight = insights.get(rows, incident.id)
    causes = () if insight is None else insight.hypotheses or insight.advised
    asked = approvals.of_incident(rows, incident.id) if notice.kind in _ASKS else []
    firing, received = alerts.counts(rows, incident.id)
    return Known(
        incident=incident,
        question=next((one for one in asked if one.answer is Answer.PENDING and one.expires_at > now), None),
        cause=max(causes, key=lambda one: one.confidence, default=None),
        alerts=tuple(alerts.of_incident(rows, incident.id, limit=20)),
        firing=firing,
        received=received,
    )


def message_of(
    notice: Notice, delivery: Delivery, beside: Known, *, page: str, earlier: Receipt | None = None
) -> Message:
    """Return what a channel is handed.

    Args:
        notice: what is told.
        delivery: to whom, and through what.
        beside: what the rows say beside it.
        page: URL of the page, without a slash at its end; empty: it cannot be reached by one.
        earlier: the receipt of the thread's first message on this channel.

    """
    said, incident, question = notice.message, beside.incident, beside.question
    over = notice.kind in _CLOSES or said.get("closes") is True
    return Message(
        key=f"{notice.key}/{delivery.channel}/{delivery.person}",
        thread=delivery.thread,
        kind=notice.kind,
        severity=notice.severity,
        title=_text(said.get("title"), _TITLE),
        says=_text(said.get("says"), _SAYS),
        target=_text(incident.target if incident else said.get("target"), _TITLE),
        next_steps=_lines(said.get("next_steps")),
        links=_links(said.get("links"), beside, page=page, over=over),
        facts=_facts(said.get("facts"), beside),
        lines=_lines(said.get("lines")),
        question=None
        if question is None
        else Question(
            approval=question.id,
            digest=question.digest,
            summary=_text(question.summary, _SAYS),
            expires_at=question.expires_at,
        ),
        person=delivery.person,
        at=notice.created_at,
        closes=over,
        calls=said.get("calls") is True,
        earlier=earlier,
        body_text=_text(said.get("body_text"), _BODY),
        body_html=_text(said.get("body_html"), _BODY),
    )


def leads_to_a_page(url: str) -> bool:
    """Return whether a URL, which anybody may have put into a label, may be put before people as a link."""
    if len(url) > _URL or not url.isprintable() or any(sign in url for sign in " \\<>\"'`"):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _links(given: object, beside: Known, *, page: str, over: bool) -> dict[str, str]:
    """Return name → URL: those that the notice has, ours about the incident, and those that its alerts bring.

    What is over is neither taken by anybody nor muted any more.
    """
    own = {str(name): str(url) for name, url in given.items()} if isinstance(given, dict) else {}
    found = {name: f"{page}{url}" if url.startswith("/") else url for name, url in own.items()}
    incident = beside.incident
    if incident is not None and page:
        about = f"{page}/incidents/{quote(incident.id, safe='')}"
        found["incident"] = about
        if not over:
            found |= {"acknowledge": f"{about}#acknowledge", "mute": f"{about}#mute"}
        if not over and (matchers := _matchers(beside)):
            found["silence"] = f"{page}/silences?matchers={quote(matchers, safe='')}"
        if beside.question is not None:
            found["approve"] = f"{about}#{quote(beside.question.id, safe='')}"
    found |= {"query": _first(one.generator_url for one in beside.alerts)}
    found |= {"runbook": _first(one.annotations.get("runbook_url", "") for one in beside.alerts)}
    return {_text(name, _TITLE): url for name, url in found.items() if leads_to_a_page(url)}


def _first(urls: Iterable[str]) -> str:
    return next((url for url in urls if leads_to_a_page(url)), "")


def _matchers(beside: Known) -> str:
    """Return, as the form for silences takes them, labels that all alerts of the incident share."""
    shared = [
        {(name, one.labels[name]) for name in _SILENCED_BY if one.labels.get(name, "").strip(", ")}
        for one in beside.alerts
    ]
    pairs = sorted(set.intersection(*shared)) if shared else []
    if not pairs and beside.incident is not None and beside.incident.target:
        pairs = [("target", beside.incident.target)]
    return ", ".join(f"{name}={value}" for name, value in pairs)


def _facts(given: object, beside: Known) -> dict[str, str]:
    found: dict[str, str] = {}
    if beside.cause is not None:
        found["cause"] = _text(beside.cause.says, _LINE)
        found["confidence"] = f"{beside.cause.confidence:.0%}"
    if beside.received:
        found["alerts"] = f"{beside.firing} firing of {beside.received}"
    if beside.incident is not None and beside.incident.attempts:
        found["plans carried out"] = str(beside.incident.attempts)
    said: Mapping[str, Any] = given if isinstance(given, dict) else {}
    return {**found, **{_text(name, _TITLE): _text(value, _LINE) for name, value in list(said.items())[:_MANY]}}


def _lines(given: object) -> tuple[str, ...]:
    return tuple(_text(line, _LINE) for line in given[:_MANY]) if isinstance(given, list) else ()


def _text(given: object, most: int) -> str:
    text = "" if given is None else str(given)
    return text if len(text) <= most else f"{text[: most - 1]}…"
