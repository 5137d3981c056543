"""Drafting: what people have done with success again and again becomes a runbook for them to review."""

from __future__ import annotations

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devops_agent.model.action import Argument, Proof, Step
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.fact import Fact, to_json
from devops_agent.model.knowledge import Draft
from devops_agent.model.knowledge import helped as helped_by_plan
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import attempts, incidents, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from devops_agent.model.incident import Incident
    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows

OFTEN = 3
"""Successes that make a draft."""
_WINDOW = timedelta(days=90)
_SOON = timedelta(minutes=10)
"""How soon after an order trouble has to be over for the order to have ended it."""
_MOST = 2_000
_FAILS = 3
"""One failure in so many successes is borne, more are not."""


class Handling(Fact, kw_only=True):
    """How one incident was handled because a person said so."""

    incident: str
    target: str
    via: str
    steps: tuple[Step, ...]
    """With the target's names taken out again."""
    how: str
    """`guided` or `ordered`."""
    ok: bool
    at: datetime

    @property
    def way(self) -> str:
        """What handlings of the same sort have in common."""
        return to_json([(step.action, step.args) for step in self.steps])


def draft(rows: Rows, kind: str, *, runbooks: Sequence[Runbook], now: datetime) -> list[Draft]:
    """Return drafts of runbooks for `kind`: ways that people chose and that verifiably healed, three times or more.

    What a runbook does already, and would do by itself, is not drafted.
    """
    ways: dict[str, list[Handling]] = {}
    for handling in _handlings(rows, kind, since=now - _WINDOW):
        ways.setdefault(handling.way, []).append(handling)
    made = (_draft(kind, same, now=now) for same in ways.values() if _is_proven(same))
    return [one for one in made if not any(_covers(book, one.runbook, kind) for book in runbooks)]


def helped(rows: Rows, incident: Incident) -> str:
    """Return what verifiably ended an incident, a plan or a person's orders, as people read it; empty: nothing did."""
    tried = attempts.of_incident(rows, incident.id)
    if healed := helped_by_plan(tried):
        return healed
    carried_out = attempts.started_since(rows, incident.opened_at, target=incident.target, limit=_MOST)
    orders = _during(incident, (one for one in carried_out if one.ordered))
    if not orders or incident.ordered_json or not _over_soon(incident, orders):
        return ""
    return f"{', '.join(step.action for one in orders for step in one.plan.steps)}, ordered by a person"


def _handlings(rows: Rows, kind: str, *, since: datetime) -> Iterator[Handling]:
    carried_out = attempts.started_since(rows, since, limit=_MOST)
    ordered: dict[str, list[Attempt]] = {}
    for attempt in carried_out:
        if attempt.ordered:
            ordered.setdefault(attempt.target, []).append(attempt)
        elif attempt.kind == kind and attempt.ended_at is not None:
            incident = incidents.get(rows, attempt.incident)
            if incident is not None and incident.guided == attempt.plan.runbook:
                yield _handling(rows, incident, [attempt], how="guided", ok=attempt.outcome is Outcome.HEALED)
    for target, orders in ordered.items():
        for incident in incidents.page(rows, target=target, limit=_MOST):
            during = _during(incident, orders) if incident.kind == kind and not incident.ordered_json else []
            if during and not _healed_itself(rows, incident):
                yield _handling(rows, incident, during, how="ordered", ok=_over_soon(incident, during))


def _during(incident: Incident, orders: Iterable[Attempt]) -> list[Attempt]:
    """Return the orders that were carried out on the target while the incident was open."""
    end = incident.resolved_at
    return [
        one
        for one in orders
        if one.started_at and one.started_at >= incident.opened_at and (end is None or one.started_at <= end)
    ]


def _healed_itself(rows: Rows, incident: Incident) -> bool:
    return any(one.outcome is Outcome.HEALED for one in attempts.of_incident(rows, incident.id))


def _over_soon(incident: Incident, orders: Sequence[Attempt]) -> bool:
    """Whether every order was done as proven, and the trouble was over soon after the last."""
    last = orders[-1].ended_at
    done = all(one.outcome is Outcome.HEALED for one in orders)
    return bool(done and last and incident.resolved_at and incident.resolved_at - last <= _SOON)


def _handling(rows: Rows, incident: Incident, done: Sequence[Attempt], *, how: str, ok: bool) -> Handling:
    sighting = targets.get(rows, incident.target)
    target = sighting.target if sighting else None
    steps = [step for attempt in done for step in attempt.plan.steps]
    return Handling(
        incident=incident.id,
        target=incident.target,
        via=target.via if target else "",
        steps=tuple(_general(step, number, target) for number, step in enumerate(steps, start=1)),
        how=how,
        ok=ok,
        at=done[-1].ended_at or done[-1].decided_at,
    )


def _general(step: Step, number: int, target: Target | None) -> Step:
    """Return the step with the target's own names as placeholders, proven by the target's health when by nothing."""
    names = {target.name: "{target}", target.ref or target.name: "{ref}"} if target else {}
    if target is not None:
        names[target.name] = "{target}"
    proof = step.proof if step.proof.asks_anything else Proof(healthy=True)
    return step.with_(
        name=f"{number}-{step.action.partition('.')[2]}",
        args={name: _general_value(value, names) for name, value in step.args.items()},
        proof=proof.with_(below={}),
    )


def _general_value(value: Argument, names: dict[str, str]) -> Argument:
    if isinstance(value, tuple):
        return tuple(str(_general_value(item, names)) for item in value)
    if not isinstance(value, str):
        return value
    return names.get(value) or re.sub(r"\{([A-Za-z_.]+)\}", r"{{\1}}", value)


def _is_proven(same: Sequence[Handling]) -> bool:
    ok = sum(one.ok for one in same)
    return ok >= OFTEN and (len(same) - ok) * _FAILS <= ok


def _draft(kind: str, same: Sequence[Handling], *, now: datetime) -> Draft:
    ok = sorted((one for one in same if one.ok), key=lambda one: one.at)
    steps = ok[-1].steps
    on = tuple(sorted({one.target for one in ok}))
    actions = ", then ".join(step.action for step in steps)
    name = _name(kind, steps, on)
    total = f"{actions} ended {kind} {len(ok)} of {len(same)} times, each time because a person said so"
    return Draft(
        name=name,
        runbook=Runbook(
            name=name,
            says=f"Drafted from experience: {actions} for {kind}.",
            match=Match(
                kinds=(kind,), via=tuple(sorted({one.via for one in ok} - {""})), targets=on if len(on) == 1 else ()
            ),
            steps=steps,
            advice=("Look at {target} by hand: " + actions + " did not help this time.",),
        ),
        reasons=(
            *(f"{one.incident} on {one.target}, {one.how} at {one.at:%Y-%m-%d %H:%M} UTC: healed" for one in ok[-10:]),
            total,
        ),
        made_at=now,
    )


def _name(kind: str, steps: Sequence[Step], on: Sequence[str]) -> str:
    where = f"-{on[0]}" if len(on) == 1 else ""
    words = f"{kind}{where}-{'-'.join(step.action for step in steps)}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:80].rstrip("-")


def _covers(book: Runbook, drafted: Runbook, kind: str) -> bool:
    """Whether a runbook that is chosen by itself for this trouble does the same already."""
    match = book.match
    chosen = kind in match.kinds and not (match.alerts or match.labels)
    for_via = not match.via or set(drafted.match.via) <= set(match.via)
    for_all = not match.targets or all(
        any(fnmatchcase(name, pattern) for pattern in match.targets) for name in drafted.match.targets or ("*",)
    )
    return chosen and for_via and for_all and _deeds(book) == _deeds(drafted)


def _deeds(book: Runbook) -> list[str]:
    """Return what is done, whoever does it."""
    return [step.action.partition(".")[2] for step in book.steps]
