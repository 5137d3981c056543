"""A mailroom: the rows of routing with a postman that always gets through, and a clock that tests set."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from devops_agent.config.settings import Settings
from devops_agent.engine import escalation, lifecycle
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person, Policy, Rung
from devops_agent.model.decision import Answer
from devops_agent.model.incident import Incident, Status
from devops_agent.model.notice import Delivery, Notice, Receipt, Stage
from devops_agent.store import approvals, deliveries, escalations, incidents, outbox
from devops_agent.store.rows import Rows
from devops_agent.workers import routing

ROOM = "slack"
"""The channel that changes its messages in place."""


@dataclass(frozen=True)
class Got:
    """What reached people."""

    at: datetime
    channel: str
    kind: str
    thread: str
    changes: bool
    """Whether it changed an earlier message, without a message of its own."""
    notice: Notice

    def __str__(self) -> str:
        return f"{self.kind} {self.notice.incident or self.thread}"


def people(*names: str, **more: Any) -> tuple[Person, ...]:  # noqa: ANN401 — as Person takes them
    """Return people with a channel each, of their own name and `-sms`."""
    return tuple(Person(name=name, channels=(f"{name}-sms",), **more) for name in names)


def channels(*names: str) -> tuple[Channel, ...]:
    return tuple(Channel(name=name, via="webhook") for name in names)


def notify(**more: Any) -> Notify:  # noqa: ANN401 — as Notify takes them
    """Return two people with phones, and a room with messages that can be changed."""
    given = {
        "channels": channels("slack", "alice-sms", "bob-sms", "carol-sms"),
        "people": people("alice", "bob", "carol"),
        "group_window": timedelta(),
        **more,
    }
    return Notify(**given)


LADDER = Policy(
    name="ladder",
    rungs=(Rung(tell=("alice",), wait=timedelta(minutes=5)), Rung(tell=("bob",), wait=timedelta(minutes=10))),
)


class Mailroom:
    """Takes notices, routes them, and delivers at once what is due."""

    def __init__(self, rows: Rows, settings: Notify, *, at: datetime = START) -> None:
        self.rows = rows
        self.settings = Settings(notify=settings)
        self.now = at
        self.got: list[Got] = []
        self._numbers = 0

    @property
    def notify(self) -> Notify:
        return self.settings.notify

    def open(self, target: str = "api", *, severity: Severity = Severity.CRITICAL, parent: str = "") -> Incident:
        return incidents.open_(
            self.rows, target=target, cause_group=f"{target}-{self._number()}", kind="down", severity=severity,
            title=f"{target} is down", now=self.now, parent=parent,
        )  # fmt: skip

    def say(self, incident: Incident | str, kind: str, *, severity: Severity | None = None, **message: object) -> None:
        """Put a notice."""
        id_ = incident if isinstance(incident, str) else incident.id
        known = incidents.get(self.rows, id_)
        outbox.put(
            self.rows,
            Notice(
                key=f"{id_}/{kind}/{self._number()}",
                incident=id_,
                kind=kind,
                severity=severity or (known.severity if known else Severity.CRITICAL),
                message={"title": f"{id_} {kind}", "says": kind, **message},
                created_at=self.now,
            ),
        )

    def move(self, incident: Incident, to: Status) -> None:
        now_so = incidents.get(self.rows, incident.id)
        assert now_so is not None
        lifecycle.move(self.rows, now_so, to, reason=f"is {to.value}", now=self.now)

    def escalate(self, incident: Incident) -> None:
        """Hand an incident to people, as the engine does."""
        self.move(incident, Status.ESCALATED)
        self.say(incident, "escalated")

    def ask(self, incident: Incident, *, minutes: float = 60) -> str:
        """Ask for an approval, as the engine does."""
        self.move(incident, Status.INVESTIGATING)
        self.move(incident, Status.AWAITING_APPROVAL)
        asked = approvals.ask(
            self.rows, incident=incident.id, digest=f"d{self._number()}", summary="restart it", now=self.now,
            expires_at=self.now + timedelta(minutes=minutes),
        )  # fmt: skip
        self.say(incident, "approval")
        return asked.id

    def answer(self, approval: str) -> None:
        approvals.answer(self.rows, approval, Answer.APPROVED, by="alice", comment="", now=self.now)

    def heal(self, incident: Incident, *, told: bool = True) -> None:
        """Resolve an incident; `told`: by a plan, which puts a notice of its own."""
        now_so = incidents.get(self.rows, incident.id)
        assert now_so is not None
        if Status.RESOLVED not in _MAY_END.get(now_so.status, (Status.RESOLVED,)):
            self.move(incident, Status.INVESTIGATING)
        self.move(incident, Status.RESOLVED)
        if told:
            self.say(incident, "healed")

    def acknowledge(self, incident: Incident, by: str = "alice") -> None:
        escalation.acknowledge(self.rows, incident.id, by=by, now=self.now)

    def climb_of(self, incident: Incident) -> str:
        """Return where the incident's escalation stands; empty: there is none."""
        found = escalations.latest(self.rows, incident.id)
        return found.state.value if found else ""

    def turn(self, minutes: float = 0, *, seconds: float = 0) -> list[str]:
        """Let time pass at once, route, deliver; return what reached people, `channel: kind incident`."""
        self.now += timedelta(minutes=minutes, seconds=seconds)
        routing.route(self.rows, self.settings, self.now, updates={ROOM: True})
        return self._deliver()

    def pass_time(self, minutes: float) -> list[str]:
        """Let time pass as it does, with a turn whenever something is due."""
        until = self.now + timedelta(minutes=minutes)
        told = []
        for _ in range(100_000):
            due = routing.next_due(self.rows, self.settings)
            if due is None or due > until:
                break
            told += self.turn(seconds=max(0.0, (due - self.now).total_seconds()))
        else:
            message = "routing never comes to rest"
            raise AssertionError(message)
        self.now = until
        return told

    def dropped(self) -> list[str]:
        """Return why something was not told, in order."""
        return [one.says for one in self.every_delivery() if one.stage is Stage.DROPPED]

    def every_delivery(self) -> list[Delivery]:
        notices = [row["id"] for row in self.rows.all("SELECT id FROM outbox ORDER BY id")]
        return [one for found in deliveries.of_notices(self.rows, notices).values() for one in found]

    def messages(self, channel: str, kinds: Iterable[str] = ()) -> list[Got]:
        """Return the messages that reached a channel, without changes of earlier ones."""
        wanted = tuple(kinds)
        return [
            one for one in self.got if one.channel == channel and not one.changes and (not wanted or one.kind in wanted)
        ]

    def _deliver(self) -> list[str]:
        told: list[str] = []
        for channel in self.notify.channels:
            while found := deliveries.due(self.rows, channel.name, now=self.now, limit=10_000):
                told += [self._send(one) for one in found]
        return told

    def _send(self, one: Delivery) -> str:
        notice = outbox.get(self.rows, one.notice)
        assert notice is not None
        earlier = deliveries.thread_receipt(self.rows, one.thread, channel=one.channel, person=one.person)
        [begun] = deliveries.begin(self.rows, [one])
        deliveries.end(self.rows, begun, now=self.now, receipt=Receipt(id=str(one.id)))
        rung = self.rows.one(
            "SELECT 1 AS n FROM rings WHERE notice = :notice AND channel = :channel", notice=one.notice,
            channel=one.channel,
        )  # fmt: skip
        changes = rung is None
        assert not changes or earlier is not None, f"{notice.kind} changes a message that there is not"
        got = Got(at=self.now, channel=one.channel, kind=notice.kind, thread=one.thread, changes=changes, notice=notice)
        self.got.append(got)
        return f"{one.channel}: {'(changed) ' if changes else ''}{got}"

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


_MAY_END: dict[Status, tuple[Status, ...]] = {Status.REMEDIATING: ()}
