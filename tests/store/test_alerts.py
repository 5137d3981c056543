from datetime import datetime, timedelta

from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.store import Store, alerts
from devops_agent.store.rows import Rows


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def alert(name: str = "Down", *, minutes: float = 0, firing: bool = True, source: str = "alertmanager") -> Alert:
    labels = {"alertname": name, "service": "api"}
    return Alert(
        fingerprint=fingerprint(labels),
        status=AlertStatus.FIRING if firing else AlertStatus.RESOLVED,
        labels=labels,
        starts_at=at(minutes),
        ends_at=None if firing else at(minutes + 5),
        source=source,
    )


def keep(rows: Rows, *kept: Alert, incident: str = "INC-1", target: str = "api", minutes: float = 0) -> None:
    alerts.keep(rows, kept, target=target, incident=incident, now=at(minutes))


async def test_a_firing_is_known_by_its_fingerprint_and_beginning(store: Store) -> None:
    await store.write(lambda rows: keep(rows, alert()))
    known = await store.read(lambda rows: alerts.find(rows, alert()))
    assert known is not None
    assert (known["status"], known["incident"]) == ("firing", "INC-1")
    assert await store.read(lambda rows: alerts.find(rows, alert(minutes=1))) is None
    assert await store.read(lambda rows: alerts.find(rows, alert("Other"))) is None


async def test_the_end_of_a_firing_replaces_it_and_keeps_its_target(store: Store) -> None:
    await store.write(lambda rows: keep(rows, alert()))
    await store.write(lambda rows: keep(rows, alert(firing=False), target="", minutes=5))
    (row,) = await store.read(lambda rows: rows.all("SELECT status, target, received_at, seen_at FROM alerts"))
    assert (row["status"], row["target"]) == ("resolved", "api")
    assert row["seen_at"] - row["received_at"] == 300_000_000
    assert await store.read(lambda rows: alerts.of_incident(rows, "INC-1")) == [alert(firing=False)]


async def test_the_firing_that_is_not_over_is_found_by_its_fingerprint(store: Store) -> None:
    print_ = alert().fingerprint
    assert await store.read(lambda rows: alerts.firing_since(rows, print_)) is None
    await store.write(lambda rows: keep(rows, alert(firing=False), alert(minutes=10)))
    assert await store.read(lambda rows: alerts.firing_since(rows, print_)) == at(10)


async def test_alerts_of_an_incident_come_with_the_firing_ones_first_then_the_newest(store: Store) -> None:
    kept = [alert("A", minutes=1, firing=False), alert("B", minutes=2), alert("C", minutes=3)]
    await store.write(lambda rows: keep(rows, *kept))
    await store.write(lambda rows: keep(rows, alert("D"), incident="INC-2"))
    assert [a.name for a in await store.read(lambda rows: alerts.of_incident(rows, "INC-1"))] == ["C", "B", "A"]
    assert await store.read(lambda rows: alerts.counts(rows, "INC-1")) == (2, 3)
    assert await store.read(lambda rows: alerts.counts(rows, "INC-9")) == (0, 0)


async def test_what_our_own_watching_says_ends_with_our_own_proof(store: Store) -> None:
    await store.write(lambda rows: keep(rows, alert("A", source="poller"), alert("B"), alert("C", source="docker")))
    ours = ("poller", "docker")
    await store.write(lambda rows: alerts.resolve_own(rows, "INC-1", ours=ours, now=at(3)))
    found = await store.read(lambda rows: alerts.of_incident(rows, "INC-1"))
    assert {(a.name, a.status.value, a.ends_at) for a in found} == {
        ("A", "resolved", at(3)),
        ("B", "firing", None),
        ("C", "resolved", at(3)),
    }


async def test_firings_that_nobody_repeats_become_stale(store: Store) -> None:
    await store.write(lambda rows: keep(rows, alert("A"), alert("B"), alert("C", firing=False)))
    await store.write(lambda rows: alerts.touch(rows, [alert("A")], now=at(10)))
    assert [a.name for a in await store.read(lambda rows: alerts.stale(rows, seen_before=at(5)))] == ["B"]


async def test_the_latest_come_with_their_incidents(store: Store) -> None:
    for minutes, name in enumerate(("A", "B", "C")):
        await store.write(
            lambda rows, name=name, minutes=minutes: keep(rows, alert(name), incident=f"INC-{name}", minutes=minutes)  # type: ignore[misc]
        )
    found = await store.read(lambda rows: alerts.latest(rows, limit=2))
    assert [(a.name, incident) for a, incident in found] == [("C", "INC-C"), ("B", "INC-B")]


async def test_only_old_ends_are_forgotten(store: Store) -> None:
    await store.write(lambda rows: keep(rows, alert("A", firing=False), alert("B")))
    await store.write(lambda rows: keep(rows, alert("C", firing=False), minutes=60))
    assert await store.write(lambda rows: alerts.forget(rows, resolved_before=at(30))) == 1
    assert {a.name for a, _ in await store.read(alerts.latest)} == {"B", "C"}


async def test_labels_of_any_text_are_kept(store: Store) -> None:
    labels = {"alertname": "NUL \x00", "service": "half \ud800", "emoji": "🔥"}
    hostile = alert().with_(fingerprint="f\x00", labels=labels)
    await store.write(lambda rows: keep(rows, hostile))
    assert await store.read(lambda rows: alerts.find(rows, hostile))
    (found,) = await store.read(lambda rows: alerts.of_incident(rows, "INC-1"))
    assert found.labels == {"alertname": "NUL \x00", "service": "half ?", "emoji": "🔥"}
