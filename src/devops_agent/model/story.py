"""The story of an incident in a few plain sentences: what happened, why, what was done, and what is asked of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.decision import Answer, Approval
from devops_agent.model.fact import Fact
from devops_agent.model.fault import FAULTS
from devops_agent.model.incident import Incident, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from devops_agent.model.diagnosis import Diagnosis, Hypothesis

_LONGEST = 240
"""Characters of a text from outside within a sentence."""
_AT_WORK = frozenset({Status.OPEN, Status.INVESTIGATING, Status.REMEDIATING, Status.VERIFYING})
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


class Story(Fact, kw_only=True):
    """One sentence for each question that people ask first; deterministic, from the rows alone."""

    happened: str
    why: str = ""
    """Empty: it was an order, which has no cause."""
    done: str
    asked: str
    """What is asked of people, or that nothing is."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return them in the order in which people ask."""
        return tuple(sentence for sentence in (self.happened, self.why, self.done, self.asked) if sentence)

    @property
    def says(self) -> str:
        """Return the whole story as one paragraph."""
        return " ".join(self.sentences)


def tell(
    incident: Incident,
    *,
    diagnosis: Diagnosis | None,
    attempts: Sequence[Attempt],
    questions: Sequence[Approval],
    now: datetime,
) -> Story:
    """Return an incident's story.

    `attempts` are its plans and `questions` its approvals, both oldest first; `diagnosis` is the last one made.
    """
    return Story(
        happened=_happened(incident),
        why=_why(incident, diagnosis),
        done=_done(incident, attempts, questions),
        asked=_asked(incident, attempts, questions, now=now),
    )


def _happened(incident: Incident) -> str:
    begun = f"{incident.opened_at:%-d %B, %H:%M} UTC"
    if incident.ordered_json:
        return _sentence(f"On {begun}: {_short(incident.title)}")
    where = _short(incident.target) or "no known target"
    title = _short(incident.title).rstrip(" .;:,") or "in trouble"
    what = title if where.lower() in title.lower() else f"{where}: {title}"
    if incident.resolved_at is not None:
        return f"From {begun}, for {_lasted(incident.resolved_at - incident.opened_at)}: {what}."
    return f"Since {begun}: {what}."


def _why(incident: Incident, diagnosis: Diagnosis | None) -> str:
    if incident.ordered_json:
        return ""
    if incident.parent and not incident.closed:
        return f"It is an effect of {incident.parent}, which goes first."
    if diagnosis is None or not diagnosis.hypotheses:
        return "No cause was found." if incident.closed or incident.status is Status.ESCALATED else _NOT_YET
    likeliest = diagnosis.hypotheses[0]
    if diagnosis.well:
        return _sentence(f"It was looked at and found well: {_short(likeliest.says)}")
    rests = len(likeliest.evidence)
    on = f", resting on {rests} piece{'s' if rests != 1 else ''} of evidence" if rests else ""
    return _sentence(f"The likeliest cause is that {_cause(likeliest, incident)} ({likeliest.confidence:.0%} sure{on})")


_NOT_YET = "Why is being looked into."


def _cause(likeliest: Hypothesis, incident: Incident) -> str:
    """Return a clause that can follow `that`."""
    fault = FAULTS.get(likeliest.kind)
    who = _short(likeliest.component or incident.target) or "it"
    kind = _short(likeliest.kind.replace("_", " ")) or "trouble"
    plain = f"{who} {fault.says}" if fault is not None else f"there is {kind} in {who}"
    says = _short(likeliest.says).rstrip(".")
    return f"{plain}: {says}" if says and says.lower() != plain.lower() else plain


def _done(incident: Incident, attempts: Sequence[Attempt], questions: Sequence[Approval]) -> str:
    carried_out = [one for one in attempts if one.started_at is not None]
    if not carried_out:
        return _nothing_done(incident, attempts, questions)
    last = carried_out[-1]
    steps = ", ".join(step.action for step in last.plan.steps)
    what = "The order" if last.ordered else f"The runbook {last.plan.runbook}"
    told = f"{what} {_OUTCOMES.get(last.outcome, 'is being carried out')} ({steps})"
    if last.says and last.ended_at is not None:
        told += f": {_short(last.says)}"
    before = len(carried_out) - 1
    if before:
        told += f"; {before} plan{'s' if before > 1 else ''} before it did not help"
    agreed = next((one for one in questions if one.digest == last.plan.digest and one.answer is Answer.APPROVED), None)
    if agreed is not None:
        told += f"; {agreed.by or 'a person'} had approved it"
    return _sentence(told)


_OUTCOMES = {
    Outcome.HEALED: "was carried out and healed it",
    Outcome.FAILED: "was carried out and did not heal it",
    Outcome.UNDONE: "was carried out, did not heal it and was taken back",
    Outcome.UNCLEAR: "was begun, and nobody knows whether its step took place",
}


def _nothing_done(incident: Incident, attempts: Sequence[Attempt], questions: Sequence[Approval]) -> str:
    if not attempts:
        return "Nothing was done." if incident.status not in _AT_WORK else "Nothing has been done yet."
    last = attempts[-1]
    runbook = "the order" if last.ordered else f"the runbook {last.plan.runbook}"
    if last.outcome is Outcome.WOULD:
        return f"Nothing was done, for monitoring only is on; {runbook} would have been carried out."
    answered = next((one for one in reversed(questions) if one.digest == last.plan.digest), None)
    if answered is not None and answered.answer in _REFUSALS:
        by = f" by {answered.by}" if answered.by else ""
        return f"Nothing was done: {runbook} was put before people and {_REFUSALS[answered.answer]}{by}."
    if last.outcome is Outcome.ASKED:
        return _sentence(f"Nothing has been done yet: {_short(last.decision.reason)}")
    return _sentence(f"Nothing was done: {runbook} was held back, for {_short(last.decision.reason)}")


_REFUSALS = {Answer.DENIED: "denied", Answer.EXPIRED: "not answered in time", Answer.WITHDRAWN: "taken back"}


def _asked(incident: Incident, attempts: Sequence[Attempt], questions: Sequence[Approval], *, now: datetime) -> str:
    waiting = [one for one in questions if one.answer is Answer.PENDING and one.expires_at > now]
    if waiting and not incident.closed:
        asked = waiting[0]
        return (
            f"You are asked to approve or deny {asked.id} by {asked.expires_at:%H:%M} UTC:"
            f" {_short(asked.summary)}; no answer means no."
        )
    if incident.status is Status.ESCALATED:
        first = f" Begin with: {_short(incident.next_steps[0])}." if incident.next_steps else ""
        return _sentence(f"It needs you: {_short(incident.reason) or 'nothing here can mend it'}") + first
    if incident.closed:
        told_already = bool(attempts) and attempts[-1].outcome is Outcome.HEALED
        how = f" ({_short(incident.reason)})" if incident.reason and not told_already else ""
        return f"It is over{how}; nothing is asked of you."
    return "Nothing is asked of you: the agent is at work."


def _lasted(span: timedelta) -> str:
    """Return a span in its two largest units."""
    if span.total_seconds() < 10:  # noqa: PLR2004 — below ten seconds the tenths tell something
        return f"{max(span.total_seconds(), 0):.1f} s"
    left, parts = round(span.total_seconds()), []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _sentence(text: str) -> str:
    shown = text.rstrip(" .;:,")
    return f"{shown[:1].upper()}{shown[1:]}."
