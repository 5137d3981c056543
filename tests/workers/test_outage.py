"""One outage, 28,000 alerts: what reaches people of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.engine import escalate
from devops_agent.engine.receive import receive
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint
from devops_agent.model.contact import Route
from devops_agent.model.incident import Incident, Status
from devops_agent.model.target import Target
from devops_agent.store import alerts, incidents
from devops_agent.store.rows import Rows
from tests.engine.taking_in import ground, one_transaction
from tests.workers.mailroom import LADDER, Mailroom, channels, notify, people

RULES = ("ServiceDown", "HighErrorRate", "HighLatency", "QueueGrows", "DiskFilling", "PodCrashLooping", "NoTraffic")
ALERTS = 28_000


def targets(count: int, *, shared: bool) -> list[Target]:
    """Return services; `shared`: they all depend on one database."""
    depends_on = ("db",) if shared else ()
    return [Target(name="db"), *(Target(name=f"service-{number}", depends_on=depends_on) for number in range(count))]


def flood(names: list[str], room: Mailroom) -> list[Alert]:
    """Return so many alerts, over all rules and instances of these services."""
    found = []
    for number in range(ALERTS):
        labels = {
            "alertname": RULES[number // len(names) % len(RULES)],
            "service": names[number % len(names)],
            "instance": str(number),
            "severity": "critical",
        }
        found.append(
            Alert(
                fingerprint=fingerprint(labels),
                status=AlertStatus.FIRING,
                labels=labels,
                annotations={"summary": f"{labels['alertname']} on {labels['service']}"},
                starts_at=room.now,
                source="alertmanager",
            )
        )
    return found


def hand_over(rows: Rows, room: Mailroom, incident: Incident) -> None:
    """Do what a response does that cannot heal."""
    if incident.status is Status.OPEN:
        room.move(incident, Status.INVESTIGATING)
        moved = incidents.get(rows, incident.id)
        assert moved is not None
        escalate.climb(
            rows, moved, reason="nothing helps", next_steps=("look at it",), settings=room.settings, now=room.now
        )


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False], ids=["a database that all depend on", "a network that nobody knows"])
def test_an_outage_of_28_000_alerts_is_at_most_three_messages_for_a_person(tmp_path: Path, *, shared: bool) -> None:
    routes = (Route(tell=("slack",), policy="ladder"),)
    with one_transaction(tmp_path) as rows:
        room = Mailroom(
            rows,
            notify(
                channels=channels("slack", "alice-sms", "bob-sms"),
                people=people("alice", "bob"),
                policies=(LADDER,),
                routes=routes,
                group_window=timedelta(seconds=2),
            ),
        )
        known = targets(200, shared=shared)
        room.settings = room.settings.with_(targets=tuple(known))
        coming = flood([one.name for one in known], room)
        batches = [coming[start : start + 1_000] for start in range(0, ALERTS, 1_000)]
        for batch in batches:
            took = receive(rows, batch, ground=ground(known), now=room.now)
            for id_ in took.incidents:
                incident = incidents.get(rows, id_)
                assert incident is not None
                hand_over(rows, room, incident)
            room.pass_time(1 / len(batches))
        assert alerts.counts(rows, "INC-1")[1] > 0
        room.pass_time(20)
        for incident in incidents.open_ones(rows, limit=10_000):
            room.heal(incident, told=False)
        room.pass_time(10)
        figures = {name: len(room.messages(name)) for name in ("slack", "alice-sms", "bob-sms")}
        assert max(figures.values()) <= 3, (figures, [str(one) for one in room.got if not one.changes])
        assert min(figures.values()) >= 1
        assert Severity.CRITICAL in {one.notice.severity for one in room.got}
        assert ("common cause db" in room.got[0].notice.message["title"]) is shared
