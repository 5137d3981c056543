"""Post-mortem drafts: an incident's rows → what happened, why, what helped, what to do; and that as a paper.

The parts are those of the template in Google's Site Reliability Engineering, appendix D, without blame: it names what
was done and by which role, and asks what would have made it easier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from devops_agent.analysis.paper import Items, Paper, Section, Table, Text, link
from devops_agent.analysis.report import span
from devops_agent.model import story
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.decision import Answer
from devops_agent.model.event import last_diagnosis
from devops_agent.model.fault import FAULTS
from devops_agent.model.postmortem import Moment, PostMortem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from devops_agent.model.alert import Alert
    from devops_agent.model.decision import Approval
    from devops_agent.model.diagnosis import Diagnosis, Hypothesis
    from devops_agent.model.event import Event
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.incident import Incident
    from devops_agent.model.knowledge import Proposal

_LINES = 60
_HYPOTHESES = 3
_TO_PERSON = 5 * 60.0
"""Seconds within which an answer of a person went well."""
_MANY_ALERTS = 10
"""Alerts of one name in one incident that are noise."""
_TIRING = frozenset({"held", "note", "evidence", "late", "asked"})
"""Kinds of events that tell a reader of the whole nothing."""
_OWN_WATCHING = frozenset({"poller", "docker", "process", "systemd", "supervisord"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """All rows that a post-mortem is made from, oldest first."""

    incident: Incident
    timeline: Sequence[Event]
    alerts: Sequence[Alert]
    alerts_in_all: int
    attempts: Sequence[Attempt]
    questions: Sequence[Approval]
    evidence: Sequence[Evidence]
    effects: Sequence[Incident]
    """Incidents that this one explains."""
    proposals: Sequence[Proposal]
    notices: int
    """Told to people because of it."""
    depends_on_it: int = 0
    """Targets that depend on its target."""


def draft(material: Material, *, now: datetime) -> PostMortem:
    """Return the draft of an incident's post-mortem."""
    incident = material.incident
    diagnosis = last_diagnosis(material.timeline)
    began = min((alert.starts_at for alert in material.alerts), default=incident.opened_at)
    began = min(began, incident.opened_at)
    told = story.tell(incident, diagnosis=diagnosis, attempts=material.attempts, questions=material.questions, now=now)
    timeline, left_out = _condensed(material.timeline)
    likeliest = diagnosis.hypotheses[0] if diagnosis is not None and diagnosis.hypotheses else None
    return PostMortem(
        incident=incident.id,
        title=incident.title,
        status=incident.status.value,
        severity=incident.severity.value,
        made_at=now,
        summary=told.says,
        began_at=began,
        opened_at=incident.opened_at,
        ended_at=incident.resolved_at,
        targets=tuple(dict.fromkeys(name for name in (incident.target, *(e.target for e in material.effects)) if name)),
        impact=tuple(_impact(material, began=began, now=now)),
        cause=_cause(likeliest, incident) if likeliest else "",
        confidence=likeliest.confidence if likeliest else None,
        others=_others(diagnosis),
        evidence=_evidence(likeliest, material.evidence),
        found=_found(material, began=began),
        helped=tuple(_carried_out(material, healed=True)),
        did_not_help=tuple(_carried_out(material, healed=False)),
        went_well=tuple(_went_well(material, began=began)),
        action_items=tuple(dict.fromkeys(_action_items(material, likeliest))),
        timeline=timeline,
        left_out=left_out,
    )


def paper_of(draft_: PostMortem, *, time_zone: str = "UTC", url: str | None = None) -> Paper:
    """Return a draft as a paper; times are UTC, and those of `time_zone` beside them where it is another.

    `url` is where the page is, for links, empty on the page itself; None: no links.
    """
    where = ZoneInfo(time_zone)
    ended = draft_.ended_at
    lasted = span((ended - draft_.began_at).total_seconds()) if ended else "not over"
    facts = (
        ("Incident", link(draft_.incident, f"/incidents/{draft_.incident}", url)),
        ("Severity", draft_.severity),
        ("Status", draft_.status),
        ("Began", _at(draft_.began_at, where)),
        ("Noticed", _at(draft_.opened_at, where)),
        ("Ended", _at(ended, where) if ended else "not over"),
        ("Lasted", lasted),
        ("Targets", ", ".join(draft_.targets) or "none that is known"),
    )
    cause = draft_.cause or "No cause was found."
    sure = f" ({draft_.confidence:.0%} sure)" if draft_.confidence is not None and draft_.cause else ""
    times = tuple(
        (_at(one.at, where), one.says if one.actor == "agent" else f"{one.says} [{one.actor}]")
        for one in draft_.timeline
    )
    sections = (
        Section(title="Summary", blocks=(Text(says=draft_.summary), Table(head=("", ""), rows=facts))),
        Section(title="Impact", blocks=(_items(draft_.impact, "none that is known"),)),
        Section(title="Cause", blocks=tuple(_cause_blocks(draft_, f"{cause}{sure}"))),
        Section(title="How it was found", blocks=(Text(says=draft_.found),)),
        Section(title="What helped", blocks=(_items(draft_.helped, "nothing that was done here"),)),
        Section(title="What did not help", blocks=(_items(draft_.did_not_help, "nothing was done in vain"),)),
        Section(title="What went well", blocks=(_items(draft_.went_well, "to be filled in"),)),
        Section(title="Action items", blocks=(_items(draft_.action_items, "none proposed", boxes=True),)),
        Section(title="Timeline", blocks=tuple(_timeline_blocks(draft_, times))),
    )
    lead = "This draft was made from the record alone. Read it, correct it, and add what only people know."
    title = f"Post-mortem of {draft_.incident}: {draft_.title}"
    return Paper(title=title, mark="draft", lead=(lead,), sections=sections)


def _cause_blocks(draft_: PostMortem, says: str) -> Iterable[Text | Items | Table]:
    yield Text(says=says)
    if draft_.evidence:
        yield Table(head=("Evidence", "What was seen"), rows=draft_.evidence)
    if draft_.others:
        yield Text(says="Less likely:")
        yield Items(items=draft_.others)


def _timeline_blocks(draft_: PostMortem, times: tuple[tuple[str, str], ...]) -> Iterable[Text | Table]:
    yield Table(head=("When", "What"), rows=times)
    if draft_.left_out:
        yield Text(says=f"{draft_.left_out} further lines are left out here; the incident's page has them all.")


def _items(items: tuple[str, ...], otherwise: str, *, boxes: bool = False) -> Items | Text:
    return Items(items=items, boxes=boxes) if items else Text(says=f"{otherwise[:1].upper()}{otherwise[1:]}.")


def _at(moment: datetime, where: ZoneInfo) -> str:
    utc = moment.astimezone(ZoneInfo("UTC"))
    local = moment.astimezone(where)
    beside = f" ({local:%H:%M:%S %Z})" if local.utcoffset() != utc.utcoffset() else ""
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC{beside}"


def _impact(material: Material, *, began: datetime, now: datetime) -> Iterable[str]:
    incident = material.incident
    end = incident.resolved_at or now
    lasted = span(max((end - began).total_seconds(), 0.0))
    fault = FAULTS.get(incident.kind)
    what = fault.says if fault else incident.kind.replace("_", " ")
    yield f"{incident.target or 'no known target'}: {what}, for {lasted}{'' if incident.resolved_at else ' so far'}"
    for one in material.effects:
        yield f"{one.target} was in trouble because of it ({one.id}: {one.title})"
    if material.depends_on_it:
        depend = "depends" if material.depends_on_it == 1 else "depend"
        yield f"{_several(material.depends_on_it, 'target')} {depend} on {incident.target}"
    yield f"it gathered {_several(material.alerts_in_all, 'alert')}, and people were told {_times(material.notices)}"


def _cause(likeliest: Hypothesis, incident: Incident) -> str:
    where = likeliest.component or incident.target
    fault = FAULTS.get(likeliest.kind)
    what = f"{where} {fault.says}" if fault else f"{likeliest.kind.replace('_', ' ')} in {where}"
    return f"{what}: {likeliest.says}" if likeliest.says else what


def _others(diagnosis: Diagnosis | None) -> tuple[str, ...]:
    further = diagnosis.hypotheses[1 : 1 + _HYPOTHESES] if diagnosis is not None else ()
    return tuple(f"{one.says} ({one.confidence:.0%} sure)" for one in further)


def _evidence(likeliest: Hypothesis | None, kept: Sequence[Evidence]) -> tuple[tuple[str, str], ...]:
    if likeliest is None:
        return ()
    says = {one.id: one.says or f"{one.name}: {one.shown}" for one in kept}
    return tuple((id_, says.get(id_, "no longer kept")) for id_ in likeliest.evidence)


def _found(material: Material, *, began: datetime) -> str:
    incident = material.incident
    if incident.ordered_json:
        return "It is an order of a person, no trouble."
    if not material.alerts:
        return "The alerts that opened it are no longer kept."
    first = min(material.alerts, key=lambda alert: alert.starts_at)
    took = (incident.opened_at - began).total_seconds()
    soon = f"{span(took)} after it began" if took >= 1 else "within a second"
    who = "the agent's own watching" if first.source in _OWN_WATCHING else first.source
    return f"By {who} ({first.name}), {soon}."


def _carried_out(material: Material, *, healed: bool) -> Iterable[str]:
    for one in material.attempts:
        if one.started_at is None or (one.outcome is Outcome.HEALED) is not healed:
            continue
        steps = ", ".join(step.action for step in one.plan.steps)
        what = "an order" if one.ordered else one.plan.runbook
        ended = f" after {span((one.ended_at - one.started_at).total_seconds())}" if one.ended_at else ""
        yield f"{what} ({steps}): {one.outcome.value}{ended}{f' — {one.says}' if one.says else ''}"


def _went_well(material: Material, *, began: datetime) -> Iterable[str]:
    incident = material.incident
    detected = (incident.opened_at - began).total_seconds()
    if material.alerts and detected <= 60:  # noqa: PLR2004 — within a minute
        yield "it was noticed within a second" if detected < 1 else f"it was noticed {span(detected)} after it began"
    healed = [one for one in material.attempts if one.outcome is Outcome.HEALED]
    if healed and not material.questions:
        yield "it was healed without anybody being woken"
    for one in material.questions:
        if one.answer is Answer.APPROVED and one.answered_at is not None:
            took = (one.answered_at - one.asked_at).total_seconds()
            if took <= _TO_PERSON:
                yield f"{one.id} was answered within {span(took)}"
    if any(one.outcome is Outcome.UNDONE for one in material.attempts):
        yield "what did not help was taken back"
    if material.effects:
        yield f"its effects were recognised as such: {_several(len(material.effects), 'incident')} waited for it"


def _action_items(material: Material, likeliest: Hypothesis | None) -> Iterable[str]:
    incident = material.incident
    for proposal in material.proposals:
        if proposal.target == incident.target and proposal.kind == incident.kind:
            yield f"{proposal.advice} ({proposal.says})"
    yield from incident.next_steps
    carried_out = [one for one in material.attempts if one.started_at is not None and not one.ordered]
    if not carried_out and not incident.ordered_json:
        yield f"no runbook was carried out: write one for {incident.kind} on {incident.target}, if one could help"
    elif carried_out and not any(one.outcome is Outcome.HEALED for one in carried_out):
        books = ", ".join(dict.fromkeys(one.plan.runbook for one in carried_out))
        yield f"{books} did not help: correct it, or match it to other trouble"
    if any(one.answer is Answer.EXPIRED for one in material.questions):
        yield "a question was not answered in time: look at who is told, and how soon (agent.yaml: notify.policies)"
    if likeliest is None and not incident.ordered_json:
        yield "no cause was found: see which logs or metrics would have told it (agent.yaml: plugins)"
    names = [alert.name for alert in material.alerts]
    for name in dict.fromkeys(names):
        if names.count(name) >= _MANY_ALERTS:
            yield f"{name} fired {names.count(name)} times: group it, or let it wait longer (for:) before it fires"


def _condensed(timeline: Sequence[Event]) -> tuple[tuple[Moment, ...], int]:
    """Return the telling lines, one for each run of like ones; and how many are left out."""
    telling = [event for event in timeline if event.kind not in _TIRING and event.says]
    lines: list[Moment] = []
    before, repeats = "", 0
    for event in telling:
        if event.kind == before and event.kind in ("joined", "decision", "diagnosis", "investigating"):
            repeats += 1
            continue
        before = event.kind
        lines.append(Moment(at=event.at, says=event.says, actor=event.actor))
    if len(lines) > _LINES:
        lines = [*lines[: _LINES * 2 // 3], *lines[-_LINES // 3 :]]
    return tuple(lines), len(timeline) - len(lines)


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _times(count: int) -> str:
    return {0: "nothing", 1: "once"}.get(count, f"{count} times")
