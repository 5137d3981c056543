"""The guard: an ordered list of small rules, each a pure function of the situation; the strictest verdict decides.

Every rule is asked every time and its verdict is stored, so that "why (not)?" can be answered and replayed.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.action import Blast, Risk
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.situation import Situation, Trial
from devops_agent.model.target import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

ALLOW, ASK, DENY = Permission.ALLOW, Permission.ASK, Permission.DENY


def decide(situation: Situation) -> Decision:
    """Return the strictest verdict of all rules; among equals the first in the list."""
    verdicts = tuple(rule(situation) for rule in RULES)
    decisive = max(verdicts, key=lambda verdict: verdict.permission.rank)
    refusals = [verdict for verdict in verdicts if verdict.permission is DENY]
    retry_at = max((v.retry_at for v in refusals if v.retry_at), default=None)
    return Decision(
        permission=decisive.permission,
        rule=decisive.rule if decisive.permission is not ALLOW else "all",
        reason=decisive.reason if decisive.permission is not ALLOW else _allowed(situation),
        verdicts=verdicts,
        retry_at=retry_at if all(verdict.retry_at for verdict in refusals) else None,
    )


def mode(s: Situation) -> Verdict:
    """Monitoring only: say what would be done, do nothing."""
    if s.ordered:
        return _verdict("mode", ALLOW, "a person ordered it")
    if not s.limits.remediate:
        return _verdict("mode", DENY, "monitoring only: AUTO_REMEDIATION_ENABLED is off")
    if s.limits.trust is Trust.OBSERVE:
        return _verdict("mode", DENY, f"monitoring only: the trust set for {s.target} is observe")
    return _verdict("mode", ALLOW, "remediation is on")


def paused(s: Situation) -> Verdict:
    """People stopped automatic actions."""
    if not s.pauses:
        return _verdict("paused", ALLOW, "nothing is paused")
    pause = max(s.pauses, key=lambda one: one.begins_at)
    says = f"paused by {pause.by} ({pause.id}): {pause.reason}"
    # Who answers knows of the pauses that hold then; one that begins later takes the word back.
    if s.ordered or (s.approved and (s.approved_at is None or pause.begins_at <= s.approved_at)):
        return _verdict("paused", ALLOW, f"{says}; but a person said yes to this plan")
    ends = [one.ends_at for one in s.pauses if one.ends_at]
    return _verdict("paused", DENY, says, retry_at=max(ends) if len(ends) == len(s.pauses) else None)


def never_touch(s: Situation) -> Verdict:
    """Not itself, its database, its supervisor, the container engine, the monitoring: whoever asks, under any name."""
    if s.protected is not None:
        return _verdict("never_touch", DENY, f"never touched: {s.protected.what} ({s.protected.why})")
    if s.identity_unknown:
        says = f"cannot tell what it would touch: {s.identity_unknown}"
        waits = s.identity_unknown_for_now and s.now - s.incident_opened_at < s.limits.deadline
        return _verdict("never_touch", DENY, says, retry_at=s.now + timedelta(seconds=10) if waits else None)
    return _verdict("never_touch", ALLOW, "it touches nothing that the agent depends on")


def silenced(s: Situation) -> Verdict:
    """A silence or a maintenance window covers the target."""
    if s.silence is None:
        return _verdict("silence", ALLOW, "no silence or maintenance covers it")
    says = f"{s.silence.comment or 'silenced'} ({s.silence.id}) until {s.silence.ends_at:%H:%M} UTC"
    if s.ordered:
        return _verdict("silence", ALLOW, f"{says}; but a person ordered it")
    return _verdict("silence", DENY, says, retry_at=s.silence.ends_at)


def opted_in(s: Situation) -> Verdict:
    """Only what somebody opted in is acted on; an opt-out wins over everything."""
    if not s.target_known:
        return _verdict("opted_in", DENY, f"no target is known as {s.target!r}")
    if not s.managed:
        return _verdict("opted_in", DENY, s.managed_says)
    return _verdict("opted_in", ALLOW, s.managed_says)


def watchdog(s: Situation) -> Verdict:
    """The alerting itself is broken: what looks like trouble, or like health, may be neither."""
    if s.alerting_silent_for is None:
        return _verdict("watchdog", ALLOW, "the alerting is alive, or not expected to say so")
    says = f"frozen: the alert that always fires is overdue by {_span(s.alerting_silent_for)}"
    if s.ordered or s.approved:
        return _verdict("watchdog", ALLOW, f"{says}; but a person said yes to this plan")
    return _verdict("watchdog", DENY, says, retry_at=_next_look(s))


def storm(s: Situation) -> Verdict:
    """So much is in trouble at once that the cause is elsewhere, perhaps with us."""
    share = s.troubled / s.watched if s.watched else 0.0
    says = f"{s.troubled} of {s.watched} targets are in trouble"
    if s.troubled >= s.limits.storm_count and share > s.limits.storm_share and not (s.ordered or s.approved):
        return _verdict("storm", DENY, f"storm: {says}, so the cause is elsewhere", retry_at=_next_look(s))
    return _verdict("storm", ALLOW, says)


def minimum_healthy(s: Situation) -> Verdict:
    """While one member of a group is acted on, enough others have to be well."""
    needed = _needed(s.group_size, s.limits.min_healthy)
    says = f"{s.group_well} of {s.group_size} members of its group are well, {needed} are needed besides it"
    # A group that is already below its minimum is not made worse by acting on one that is down itself.
    if s.group_size > 1 and 0 < s.group_well < needed and not s.ordered:
        return _verdict("minimum_healthy", DENY, says, retry_at=s.now + timedelta(seconds=15))
    return _verdict("minimum_healthy", ALLOW, says if s.group_size > 1 else "it is in no group")


def strikes(s: Situation) -> Verdict:
    """Three plans that did not heal within the window: stop trying, call a person."""
    count = sum(1 for trial in s.trials if trial.strike and s.now - trial.ended_at < s.limits.strikes_window)
    says = f"{count} of {s.limits.strikes} strikes within {_span(s.limits.strikes_window)}"
    if count >= s.limits.strikes and not (s.ordered or s.approved):
        return _verdict("strikes", DENY, f"{says}: it was tried and did not help")
    return _verdict("strikes", ALLOW, says)


def cooldown(s: Situation) -> Verdict:
    """Rest between two plans on one target, twice as long after each strike."""
    if not s.trials or s.ordered or s.approved:
        return _verdict("cooldown", ALLOW, "a person said yes" if s.trials else "nothing was done to it lately")
    rest = s.limits.cooldown * 2 ** min(_strikes_in_a_row(s.trials), 10)
    over = s.trials[-1].ended_at + rest
    if not s.trials[-1].strike:  # what healed and fails again needs no rest; the crash loop rule watches over that
        return _verdict("cooldown", ALLOW, "the last plan healed it")
    if s.now < over:
        return _verdict("cooldown", DENY, f"rests until {over:%H:%M:%S} UTC after the last plan", retry_at=over)
    return _verdict("cooldown", ALLOW, "it has rested since the last plan")


def rate_limit(s: Situation) -> Verdict:
    """A bound on plans in an hour, whatever the reasons for each."""
    says = f"{s.started_last_hour} of {s.limits.actions_per_hour} plans in the last hour"
    if s.started_last_hour >= s.limits.actions_per_hour and not s.ordered:
        return _verdict("rate_limit", DENY, says, retry_at=s.hour_frees_at or s.now + timedelta(minutes=1))
    return _verdict("rate_limit", ALLOW, says)


def concurrency(s: Situation) -> Verdict:
    """Only so many plans at once."""
    says = f"{s.under_way} of {s.limits.concurrent} plans are under way"
    if s.under_way >= s.limits.concurrent and not s.ordered:
        return _verdict("concurrency", DENY, says, retry_at=s.now + timedelta(seconds=2))
    return _verdict("concurrency", ALLOW, says)


def breaker(s: Situation) -> Verdict:
    """The same runbook failed again and again on this target: leave it for a while, then let one trial through."""
    same = [trial for trial in s.trials if trial.same_runbook]
    failures = _strikes_in_a_row(same)
    if failures < s.limits.breaker_failures:
        return _verdict("breaker", ALLOW, f"closed: {failures} failures in a row, opens at {s.limits.breaker_failures}")
    over = same[-1].ended_at + s.limits.breaker_open
    if s.now >= over:
        return _verdict("breaker", ALLOW, f"half open: one trial after {_span(s.limits.breaker_open)}")
    if s.ordered or s.approved:
        return _verdict("breaker", ALLOW, "open, but a person said yes to this plan")
    says = f"open until {over:%H:%M} UTC after {failures} failures in a row"
    return _verdict("breaker", DENY, says, retry_at=over)


def blast_radius(s: Situation) -> Verdict:
    """What reaches beyond the target needs a person."""
    if s.blast in (Blast.NOTHING, Blast.TARGET) or s.ordered or s.approved:
        return _verdict("blast_radius", ALLOW, f"it reaches {_REACH[s.blast]}")
    if s.blast is Blast.HOST and s.risk.rank <= Risk.SAFE.rank:
        return _verdict("blast_radius", ALLOW, "it reaches the host, and is safe there")
    return _verdict("blast_radius", ASK, f"it reaches {_REACH[s.blast]}, more than the target")


def confidence(s: Situation) -> Verdict:
    """Unsure means ask."""
    says = f"{s.confidence:.0%} sure of the cause, {s.limits.min_confidence:.0%} is needed"
    if s.confidence < s.limits.min_confidence and not (s.ordered or s.approved) and s.risk is not Risk.READ:
        return _verdict("confidence", ASK, says)
    return _verdict("confidence", ALLOW, says)


def trust(s: Situation) -> Verdict:
    """Trust for this risk, as it starts or was earned or lost since, under the ceiling that people set."""
    level, says = _trusted(s)
    if s.ordered or s.approved:
        return _verdict("trust", ALLOW, f"{says}; a person said yes to this plan")
    if s.risk is Risk.READ or level.rank >= Trust.NOTIFY.rank:
        return _verdict("trust", ALLOW, says)
    if level is Trust.ASK:
        return _verdict("trust", ASK, says)
    return _verdict("trust", DENY, says)


def _trusted(s: Situation) -> tuple[Trust, str]:
    """What cannot be undone is never trusted further than people let it start, whatever its record."""
    stands = s.limits.start_trust if s.earned is None else s.earned.level
    if s.risk is Risk.DANGEROUS:
        stands = min(stands, s.limits.start_trust, key=lambda one: one.rank)
    level = min(s.limits.trust, stands, key=lambda one: one.rank)
    says = f"trust for {s.risk.value} actions on {s.target} is {level.value}"
    if s.earned is None or stands is s.limits.start_trust:
        return level, says
    return level, f"trust in {s.earned.action} for this on {s.target} is {level.value}, {s.earned.says}"


def deadline(s: Situation) -> Verdict:
    """An incident that has been tried at for too long is a person's."""
    tried = [t for t in s.trials if t.ended_at >= s.incident_opened_at and t.strike]
    since = s.now - s.incident_opened_at
    if tried and since > s.limits.deadline and not (s.ordered or s.approved):
        return _verdict("deadline", DENY, f"{_span(since)} of trying, {_span(s.limits.deadline)} is the limit")
    return _verdict("deadline", ALLOW, f"{_span(s.limits.deadline)} for the whole remediation")


RULES: tuple[Callable[[Situation], Verdict], ...] = (
    mode,
    paused,
    never_touch,
    silenced,
    opted_in,
    watchdog,
    storm,
    minimum_healthy,
    strikes,
    cooldown,
    rate_limit,
    concurrency,
    breaker,
    blast_radius,
    confidence,
    trust,
    deadline,
)

_REACH = {
    Blast.NOTHING: "nothing",
    Blast.TARGET: "only the target",
    Blast.GROUP: "the target's whole group",
    Blast.HOST: "the whole host",
}


def _verdict(rule: str, permission: Permission, reason: str, *, retry_at: datetime | None = None) -> Verdict:
    return Verdict(rule=rule, permission=permission, reason=reason, retry_at=retry_at)


def _allowed(s: Situation) -> str:
    if s.ordered:
        return "a person ordered it"
    return "a person approved this plan" if s.approved else "every rule allows it"


def _needed(size: int, share: float) -> int:
    """Members besides the target that have to be well: the share of the group, rounded up, but never all others."""
    return min(math.ceil(size * share), max(size - 1, 0))


def _next_look(s: Situation) -> datetime:
    """What may last for hours is looked at again after half a minute at first, more rarely the longer it lasts."""
    lasted = s.now - s.incident_opened_at
    return s.now + min(max(lasted / 4, timedelta(seconds=30)), timedelta(minutes=5))


def _strikes_in_a_row(trials: tuple[Trial, ...] | list[Trial]) -> int:
    count = 0
    for trial in reversed(trials):
        if not trial.strike:
            break
        count += 1
    return count


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:  # noqa: PLR2004 — two minutes
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 2 * 3600 else f"{seconds // 3600} h"
