"""A turn: one round of a response; each method is one sentence of the story that `respond.py` tells."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from devops_agent.durable.journal import Again, Run
from devops_agent.engine import (
    classify,
    conclude,
    escalate,
    escalation,
    investigate,
    judge,
    learn,
    lifecycle,
    plan,
    remediate,
    stock,
    verify,
)
from devops_agent.engine.commands import RUNS
from devops_agent.engine.ledger import Ledger, guide
from devops_agent.engine.receive import firing_on
from devops_agent.model.action import Proof, Proven, Step
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.decision import Answer, Approval, Decision, Permission
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.fact import from_json
from devops_agent.model.incident import Category, Complexity, Incident, Status
from devops_agent.model.runbook import Plan
from devops_agent.model.target import Target
from devops_agent.store import approvals, attempts, incidents, insights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from devops_agent.engine.investigate import Findings
    from devops_agent.engine.site import Site
    from devops_agent.model.insight import Insight
    from devops_agent.model.view import View
    from devops_agent.store.rows import Rows

_PARENT_SHOWS_WITHIN = timedelta(seconds=60)
_DAY = 86_400.0  # seconds; how often people are reminded of what waits for them to lift a pause


async def begin(run: Run, site: Site) -> Turn | None:
    """Take up the incident; None when there is nothing (more) to do about it."""

    def begin(rows: Rows) -> str:
        incident = incidents.get(rows, run.key)
        if incident is None or incident.closed:
            return ""
        if incident.status in (Status.OPEN, Status.ESCALATED, Status.VERIFYING, Status.AWAITING_APPROVAL):
            lifecycle.move(rows, incident, Status.INVESTIGATING, reason="looks into it", now=site.clock.now())
        return incident.id

    if not await run.record("begin", begin, kind=str, tell=("events",)):
        return None
    incident = await site.store.read(lambda rows: incidents.get(rows, run.key))
    if incident is None or incident.closed:
        return None
    return Turn(run, site, incident, site.ground().directory.get(incident.target))


def stranger(incident: Incident) -> tuple[str, tuple[str, ...]]:
    """Return (reason, next steps) for an incident about nothing that may be looked at."""
    if incident.kind == "self":
        return "this is about the agent itself, which never acts on itself", ("look at `devops-agent doctor`",)
    return (
        f"no target is known as {incident.target!r}, so nothing can be looked at or done",
        (f"write a target named {incident.target!r}, or one with that alias, into agent.yaml",),
    )


class Turn:
    """One round about one incident: each method is one sentence of the story, journalled under a stable name."""

    def __init__(self, run: Run, site: Site, incident: Incident, target: Target | None) -> None:
        self.run = run
        self.site = site
        self.incident = incident
        self.target = None if incident.kind == "self" else target
        self.ledger = Ledger(site=site, incident=incident)

    def later(self, seconds: float) -> datetime:
        """Return the moment so many seconds from now."""
        return self.site.clock.now() + timedelta(seconds=seconds)

    async def open_parent(self) -> Incident | None:
        """Return the incident that explains this one, while it is open."""
        if not self.incident.parent:
            return None
        parent = await self.site.store.read(lambda rows: incidents.get(rows, self.incident.parent))
        return parent if parent is not None and not parent.closed else None

    async def investigate(self, target: Target) -> Findings:
        """Look at the target and what it depends on; keep the evidence."""
        directory = self.site.ground().directory
        ancestors = [one for name in directory.ancestors(target.name) if (one := directory.get(name)) is not None]

        async def look() -> Findings:
            return await investigate.look_into(target, look=self.site.eyes.look, ancestors=ancestors)

        findings = await self.run.note("look", look, kind=investigate.Findings)

        def keep(rows: Rows) -> Findings:
            kept = investigate.keep(rows, self.incident.id, findings)
            return kept.with_(wait_until=self._look_closer(rows, findings))

        return await self.run.record(
            "keep evidence", keep, kind=investigate.Findings, tell=(investigate.QUEUE,)
        )  # fmt: skip

    def _look_closer(self, rows: Rows, findings: Findings) -> datetime | None:
        """Have a closer look made; return until when to wait for it, None when the quick look is enough."""
        settings = self.site.settings().investigation
        if not settings.enabled or self.incident.ordered_json or self.incident.guided:
            return None
        firing = self.ledger.firing(rows)
        sure = classify.sure(self.incident, alerts=firing, view=findings.view, ailing_parents=findings.ailing_parents)
        now = self.site.clock.now()
        return investigate.ask(rows, self.incident, sure=sure, settings=settings, version=self.site.version, now=now)

    async def understand(self, findings: Findings) -> Insight | None:
        """Return what a closer look found; waited for only where the quick one leaves us unsure, and only so long.

        Whoever is slow there (logs, metrics, a model) delays nothing that is plain to see.
        """
        insight = await self.site.store.read(lambda rows: insights.get(rows, self.incident.id))
        if insight is None and findings.wait_until is not None:
            if self.site.clock.now() < findings.wait_until:
                await self.run.park(until=findings.wait_until, waits_on="a closer look")
            says = "the closer look did not come in time: judged by the quick one"
            await self.run.record("go on", lambda rows: self.ledger.tell_news(rows, "late", says), kind=type(None))
        return insight

    def expects_parent(self, diagnosis: Diagnosis, findings: Findings) -> bool:
        """Whether the cause lies in something that this depends on, whose incident should be opened any moment."""
        young = self.site.clock.now() - self.incident.changed_at < _PARENT_SHOWS_WITHIN
        return diagnosis.kind == "dependency_down" and bool(findings.ailing_parents) and young

    async def diagnose(self, findings: Findings, insight: Insight | None) -> Diagnosis:
        """Say what is wrong and how sure that is, and tell it."""
        if self.incident.ordered_json:
            ordered = Hypothesis(kind="order", says=self.incident.title, confidence=1.0)
            return Diagnosis(
                hypotheses=(ordered,),
                category=Category.UNKNOWN,
                complexity=Complexity.SIMPLE,
                severity=self.incident.severity,
            )
        strikes = self.site.settings().guard.strikes
        since = self.site.clock.now() - strikes.window

        def diagnose(rows: Rows) -> Diagnosis:
            past = attempts.started_since(rows, since, target=self.incident.target)
            healed = sum(1 for one in past if one.outcome is Outcome.HEALED and not one.ordered)
            now = self.site.clock.now()
            case = judge.Case(
                incident=self.incident,
                alerts=tuple(self.ledger.firing(rows)),
                view=findings.view,
                ailing_parents=findings.ailing_parents,
                history=classify.History(healed=healed, many=strikes.count),
                insight=insight,
                calibration=learn.calibration(rows, self.site.settings().learning, now=now),
            )
            found = self.ledger.answer(rows, judge.DIAGNOSE, case)
            learn.predict(
                rows,
                self.incident,
                found,
                advised=insight.advised if insight else (),
                view=findings.view,
                agent_version=self.site.version,
                now=now,
            )
            self.ledger.tell_news(
                rows, "diagnosis", f"{found.kind}: {found.says} ({found.confidence:.0%} sure)", found=found
            )
            if self.ledger.current(rows):
                incidents.describe(rows, self.incident.id, severity=found.severity)
            return found

        return await self.run.record("diagnose", diagnose, kind=Diagnosis, tell=("events",))

    async def stand_down(self, diagnosis: Diagnosis) -> Again | None:
        """The target is well: close what only we had said; what others say is waited for, then told to a person."""

        def stand_down(rows: Rows) -> str:
            incident = self.ledger.current(rows)
            if incident is None:
                return "closed"
            others = self.ledger.firing_outside(rows)
            now = self.site.clock.now()
            if not others:
                mine = firing_on(rows, incident, directory=self.site.ground().directory)
                says = "it recovered by itself" if mine else diagnosis.says
                self.ledger.close(rows, incident, says, now=now)
                return "closed"
            if now - incident.changed_at < self.site.settings().guard.deadline:
                says = f"{diagnosis.says}; {others} alert(s) from outside still fire, nothing is done"
                self.ledger.tell_news(rows, "well", says)
                return "wait"
            reason = f"{incident.target} is well by every check here, but {others} alert(s) from outside still fire"
            self.ledger.hand_over(rows, incident, reason, ("check the alert's rule",))
            return "escalated"

        word = await self.run.record("stand down", stand_down, kind=str, tell=("events", RUNS))
        return Again(self.later(15), "alerts from outside to clear") if word == "wait" else None

    async def choose(self, target: Target, diagnosis: Diagnosis, findings: Findings) -> plan.Choice:
        """Choose the plan: what a person ordered or guided to, else the best runbook that fits."""
        if self.incident.ordered_json:
            return _ordered(self.incident, target)

        def choose(rows: Rows) -> plan.Choice:
            incident = self.ledger.current(rows) or self.incident
            firing = firing_on(rows, incident, directory=self.site.ground().directory)
            options = stock.options(
                rows,
                incident,
                diagnosis,
                target=target,
                labels=firing[0].labels if firing else {},
                view=findings.view,
                site=self.site,
                now=self.site.clock.now(),
            )
            chosen = self.ledger.answer(rows, judge.CHOOSE, options)
            self.ledger.tell_news(
                rows, "plan", chosen.says, steps=[s.name for s in chosen.plan.steps] if chosen.plan else []
            )
            return chosen

        return await self.run.record("choose", choose, kind=plan.Choice, tell=("events",))

    async def decide(
        self, target: Target, diagnosis: Diagnosis, chosen: Plan, *, approved_at: datetime | None = None
    ) -> Attempt | None:
        """Let the guard decide on the plan, and write down what every rule said; None when the incident is closed."""
        name = "decide" if approved_at is None else "decide again"
        touched = await self.run.note(
            f"{name}: identify", lambda: stock.touched(chosen, target, site=self.site), kind=stock.Touched
        )

        def decide(rows: Rows) -> str:
            now = self.site.clock.now()
            incident = self.ledger.current(rows)
            if incident is None:
                return ""
            situation = stock.situation(
                rows,
                incident,
                chosen,
                target=target,
                touched=touched,
                diagnosis=diagnosis,
                approved_at=approved_at,
                site=self.site,
                now=now,
            )
            decision = self.ledger.answer(rows, judge.DECIDE, situation)
            attempt = Attempt(
                incident=incident.id,
                target=target.name,
                group=target.group,
                kind=diagnosis.kind,
                risk=situation.risk.value,
                plan=chosen,
                decision=decision,
                decided_at=now,
                outcome=_first_outcome(decision),
                ordered=situation.ordered,
                version=self.site.version,
            )
            kept = attempts.keep(rows, attempt)
            says = f"{decision.permission.value}: {decision.reason}"
            self.ledger.tell_news(rows, "decision", says, attempt=kept.id, rule=decision.rule, digest=chosen.digest)
            if decision.permission is Permission.ALLOW:
                attempts.start(rows, kept.id, now=now)
                self.ledger.move(rows, Status.REMEDIATING, f"carries out {chosen.runbook}")
            return kept.id

        id_ = await self.run.record(name, decide, kind=str, tell=("events",))
        return await self.site.store.read(lambda rows: attempts.get(rows, id_)) if id_ else None

    async def ask(self, attempt: Attempt, diagnosis: Diagnosis) -> Approval:
        """Ask a person about exactly this plan, and wait until there is an answer or its time is over."""
        settings = self.site.settings()
        summary = f"{attempt.plan.runbook} on {attempt.target}: {'; '.join(s.action for s in attempt.plan.steps)}"

        def ask(rows: Rows) -> str:
            now = self.site.clock.now()
            if granted := _granted(rows, attempt, now=now):
                return granted
            expiry = escalation.approval_expiry(rows, self.incident, settings=settings, now=now)
            asked = approvals.ask(
                rows,
                incident=self.incident.id,
                digest=attempt.plan.digest,
                summary=summary,
                now=now,
                expires_at=now + expiry,
            )
            reason = f"asks for approval {asked.id}: {attempt.decision.reason}"
            moved = self.ledger.move(rows, Status.AWAITING_APPROVAL, reason)
            if moved is None:
                approvals.withdraw(rows, self.incident.id, now=now)
            else:
                steps = (f"devops-agent approve {asked.id}", f"devops-agent deny {asked.id}")
                says = f"{diagnosis.says}. {summary}"
                self.ledger.notify(rows, moved, "approval", says, steps, now=now)
            return asked.id

        id_ = await self.run.record("ask", ask, kind=str, tell=("events",))
        asked = await self.site.store.read(lambda rows: approvals.get(rows, id_))
        if asked is None:
            message = f"approval {id_} is gone from the store"
            raise LookupError(message)
        if asked.answer is Answer.PENDING:
            now = self.site.clock.now()
            if asked.expires_at <= now:
                await self.site.store.write(lambda rows: approvals.expire(rows, now=now))
                return asked.with_(answer=Answer.EXPIRED)
            await self.run.park(until=asked.expires_at, waits_on=f"an answer to {id_}")
        return asked

    async def refused(self, attempt: Attempt, asked: Approval) -> Again | None:
        """A person said no, or nobody answered: the safe choice is to do nothing and hand over.

        A question that was taken back says neither: the incident is closed, or a person chose another plan.
        """
        word = asked.answer.value
        by = f" by {asked.by}" if asked.by else ""

        def refuse(rows: Rows) -> None:
            incident = self.ledger.current(rows)
            attempts.end(
                rows, attempt.id, Outcome.DENIED, says=f"approval {asked.id} {word}{by}", now=self.site.clock.now()
            )
            if incident is not None and asked.answer is not Answer.WITHDRAWN:
                reason = f"approval {asked.id} was {word}{by}" + (f": {asked.comment}" if asked.comment else "")
                self.ledger.hand_over(rows, incident, reason, (*attempt.plan.advice, guide(incident)))

        await self.run.record("refused", refuse, kind=type(None), tell=("events",))
        return Again(self.later(0), "another plan") if asked.answer is Answer.WITHDRAWN else None

    async def hold_back(self, attempt: Attempt) -> Again | None:
        """The guard said no: wait if that will be over by itself, else hand over, saying what would have been done."""
        decision = attempt.decision
        would = "; ".join(f"{step.action} ({step.name})" for step in attempt.plan.steps)
        outcome = Outcome.WOULD if decision.rule == "mode" else Outcome.DENIED

        def hold(rows: Rows) -> None:
            now = self.site.clock.now()
            attempts.end(rows, attempt.id, outcome, says=decision.reason, now=now)
            incident = self.ledger.current(rows)
            if incident is None:
                return
            says = f"{decision.reason}. Would have done on {attempt.target}: {would}"
            if decision.retry_at is None or decision.rule == "breaker":
                self.ledger.hand_over(rows, incident, says, (*attempt.plan.advice, guide(incident)))
            else:
                self.ledger.tell_news(rows, "held", says, until=decision.retry_at)
            if decision.rule == "storm":
                escalate.tell_storm(rows, says=decision.reason, settings=self.site.settings(), now=now)

        await self.run.record("hold back", hold, kind=type(None), tell=("events",))
        if decision.retry_at is not None:
            return Again(decision.retry_at, decision.reason)
        # What people can lift (a pause, monitoring only) wakes the run; everything else is theirs from here.
        return Again(self.later(_DAY), decision.reason) if decision.rule in ("mode", "paused") else None

    async def carry_out(self, target: Target, attempt: Attempt, diagnosis: Diagnosis) -> remediate.Ended:
        """Do the plan's steps, then watch whether the target as a whole is well and stays so."""
        ends_at = (attempt.started_at or attempt.decided_at) + self.site.settings().guard.deadline

        async def look() -> View:
            return await self.site.eyes.look(target, thoroughly=False)

        async def prove(proof: Proof, *, ran: bool = False) -> Proven:
            return await verify.prove(proof, look=look, clock=self.site.clock, ran=ran)

        hands = remediate.Hands(
            target=target,
            actuator_of=self.site.actuator_of,
            actions=self.site.actions,
            look=look,
            prove=prove,
            clock=self.site.clock,
            ends_at=ends_at,
        )
        ended = await remediate.carry_out(self.run, attempt, hands=hands)
        if ended.outcome is not Outcome.HEALED:
            return ended
        await self.run.record(
            "verify", lambda rows: bool(self.ledger.move(rows, Status.VERIFYING, "watches whether it stays well")),
            kind=bool, tell=("events",),
        )  # fmt: skip
        if self.incident.ordered_json:
            return ended
        proof = _whole_proof(target, attempt, diagnosis, within=hands.left())
        proven = await self.run.note("verified", lambda: prove(proof, ran=True), kind=Proven)
        outcome = Outcome.HEALED if proven.ok else Outcome.FAILED
        return remediate.Ended(outcome=outcome, says=proven.says)

    async def conclude(self, attempt: Attempt, ended: remediate.Ended) -> Again | None:
        """Record the outcome; resolve, wait for alerts from outside to clear, try the next best, or hand over."""
        if ended.outcome is Outcome.HEALED:
            healthy = partial(conclude.healthy, ledger=self.ledger, attempt=attempt, ended=ended)
            await self.run.record("healthy", healthy, kind=int, tell=("events",))
        try:
            word = await self.run.record(
                "conclude", lambda rows: conclude.conclude(rows, self.ledger, attempt, ended), kind=str,
                tell=("events", RUNS),
            )  # fmt: skip
        except conclude.StillFiringError as firing:
            await self.run.park(until=firing.until, waits_on=str(firing))
        return Again(self.later(0), "the next best plan") if word == "again" else None

    async def escalate(self, reason: str, next_steps: Sequence[str]) -> Again | None:
        """Hand over to a person."""

        def climb(rows: Rows) -> None:
            incident = self.ledger.current(rows)
            if incident is not None:
                self.ledger.hand_over(rows, incident, reason, next_steps)

        await self.run.record("escalate", climb, kind=type(None), tell=("events",))
        return None


def _granted(rows: Rows, attempt: Attempt, *, now: datetime) -> str:
    """Return the id of an approval of this very plan that was given, has time left and was not made use of yet."""
    used = {one.plan.digest for one in attempts.of_incident(rows, attempt.incident) if one.started_at}
    for one in approvals.of_incident(rows, attempt.incident):
        if one.answer is Answer.APPROVED and one.digest == attempt.plan.digest and one.expires_at > now:
            return "" if one.digest in used else one.id
    return ""


def _first_outcome(decision: Decision) -> Outcome:
    return {
        Permission.ALLOW: Outcome.STARTED,
        Permission.ASK: Outcome.ASKED,
        Permission.DENY: Outcome.DENIED,
    }[decision.permission]


def _ordered(incident: Incident, target: Target) -> plan.Choice:
    step = from_json(incident.ordered_json, Step)
    ordered = Plan(incident=incident.id, runbook="order", target=target.name, steps=(step,))
    return plan.Choice(plan=ordered, says=incident.title)


def _whole_proof(target: Target, attempt: Attempt, diagnosis: Diagnosis, *, within: timedelta) -> Proof:
    """What shows that the target as a whole is well again: its checks pass, and the reading that was out is in band."""
    below = {reading: limit for step in attempt.plan.steps for reading, limit in step.proof.below.items()}
    sees_health = bool(target.via) or any(check.vital for check in target.checks)
    return Proof(
        healthy=sees_health and diagnosis.category is not Category.UNKNOWN,
        below=below,
        within=min(within, max((step.proof.within for step in attempt.plan.steps), default=within)),
        settle=timedelta(seconds=attempt.plan.settle),
    )
