"""Sorting and taking in alerts: what says something new, whatever the order and however often it is said."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from devops_agent.engine import ingest
from devops_agent.model.alert import Alert
from devops_agent.model.incident import Status
from devops_agent.store import alerts, heartbeats, runs
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.effort import examples
from tests.engine.taking_in import alert, all_incidents, at, deliver, kinds, one_transaction, undone


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def sort(rows: Rows, *batch: Alert) -> ingest.Sorted:
    return ingest.sort(rows, batch, watchdog="AlwaysFiring")


def test_a_firing_that_nobody_knows_is_new(rows: Rows) -> None:
    assert sort(rows, alert()).firing == [alert()]


def test_an_end_that_nobody_knows_is_an_end_of_nothing(rows: Rows) -> None:
    assert sort(rows, alert(over=True)).resolved == [(alert(over=True), "")]


def test_a_firing_that_has_an_incident_is_a_repeat(rows: Rows) -> None:
    deliver(rows, alert())
    assert sort(rows, alert()).repeats == [alert()]


def test_the_same_rule_firing_anew_is_new(rows: Rows) -> None:
    deliver(rows, alert())
    again = alert(began=5)
    assert sort(rows, again).firing == [again]


def test_an_end_comes_with_the_incident_of_its_firing(rows: Rows) -> None:
    deliver(rows, alert())
    assert sort(rows, alert(over=True)).resolved == [(alert(over=True), "INC-1")]


def test_a_firing_that_was_held_back_is_new_again_each_time(rows: Rows) -> None:
    alerts.keep(rows, [alert()], target="api", incident="", now=at(0))
    assert sort(rows, alert()).firing == [alert()]


def test_a_late_repeat_of_a_firing_that_ended_is_told_apart(rows: Rows) -> None:
    deliver(rows, alert())
    deliver(rows, alert(over=True))
    assert sort(rows, alert()).late == [alert()]
    assert sort(rows, alert(over=True)).repeats == [alert(over=True)]


@pytest.mark.parametrize("order", [(False, True), (True, False), (True, False, True), (False, True, False)])
def test_the_end_of_a_firing_is_final_in_whatever_order_one_batch_has_it(rows: Rows, order: tuple[bool, ...]) -> None:
    found = sort(rows, *(alert(over=over) for over in order))
    assert found.resolved == [(alert(over=True), "")]
    assert found.firing == []


def test_the_same_alert_many_times_in_one_batch_counts_once(rows: Rows) -> None:
    assert sort(rows, *[alert()] * 5).firing == [alert()]


@pytest.mark.parametrize("name", ["Watchdog", "InfoInhibitor", "DeadMansSwitch", "AlwaysFiring"])
def test_alerts_that_always_fire_are_signs_of_life_and_no_incident(rows: Rows, name: str) -> None:
    found = sort(rows, alert(name))
    assert found.signs_of_life == [alert(name)]
    assert found.firing == []
    deliver(rows, alert(name), minutes=3)
    assert all_incidents(rows) == []
    assert heartbeats.all_(rows)[heartbeats.WATCHDOG].at == at(3)


def test_the_end_of_the_alert_that_always_fires_is_no_sign_of_life(rows: Rows) -> None:
    deliver(rows, alert("Watchdog", over=True))
    assert heartbeats.all_(rows) == {}


def test_a_new_firing_begins_one_response(rows: Rows) -> None:
    received = deliver(rows, alert())
    assert (received.new, received.repeats, received.incidents) == (1, 0, ("INC-1",))
    claim = runs.claim(rows, "respond", owner="me", now=at(0), lease=at(1) - at(0))
    assert claim is not None
    assert (claim.key, claim.lock, claim.job) == ("INC-1", "api", "respond")
    assert runs.claim(rows, "respond", owner="me", now=at(0), lease=at(1) - at(0)) is None


def test_a_repeat_changes_nothing_but_when_it_was_seen(rows: Rows) -> None:
    deliver(rows, alert())
    before = (all_incidents(rows), kinds(rows))
    received = deliver(rows, alert(), minutes=10)
    assert (received.new, received.repeats) == (0, 1)
    assert (all_incidents(rows), kinds(rows)) == before
    assert alerts.stale(rows, seen_before=at(9)) == []


def test_an_incident_of_which_nothing_fires_any_more_is_resolved(rows: Rows) -> None:
    deliver(rows, alert(), alert("HighLatency"))
    deliver(rows, alert(over=True), minutes=1)
    assert all_incidents(rows)[0].status is Status.OPEN
    deliver(rows, alert("HighLatency", over=True), minutes=2)
    (incident,) = all_incidents(rows)
    assert (incident.status, incident.resolved_at) == (Status.RESOLVED, at(2))
    assert kinds(rows) == ["opened", "resolved"]


def test_a_late_repeat_of_a_firing_that_ended_opens_nothing_again(rows: Rows) -> None:
    deliver(rows, alert())
    deliver(rows, alert(over=True), minutes=1)
    received = deliver(rows, alert(), minutes=2)
    assert (received.new, received.ended) == (0, [alert()])
    assert all_incidents(rows)[0].closed


def test_an_end_that_overtook_its_firing_keeps_the_incident_from_opening(rows: Rows) -> None:
    deliver(rows, alert(over=True))
    deliver(rows, alert())
    assert all_incidents(rows) == []


def test_an_end_of_what_nobody_knows_is_kept_and_does_nothing(rows: Rows) -> None:
    received = deliver(rows, alert(over=True))
    assert (received.incidents, kinds(rows)) == ((), [])
    assert [found.name for found, _ in alerts.latest(rows)] == ["ServiceDown"]


def test_nothing_delivered_changes_nothing(rows: Rows) -> None:
    assert deliver(rows).incidents == ()
    assert kinds(rows) == []


SERVICES = st.sampled_from(["web", "api", "db", "mail", "stranger", ""])
ALERTS = st.builds(
    alert,
    st.sampled_from(["ServiceDown", "HighLatency", "DiskFull", "Watchdog", "DevopsAgentSlow"]),
    SERVICES,
    began=st.integers(0, 2),
    over=st.booleans(),
)
DELIVERIES = st.lists(st.lists(ALERTS, max_size=5), max_size=8)


def said(rows: Rows) -> tuple[object, ...]:
    """Return everything that a person could see."""
    known = rows.all("SELECT fingerprint, starts_at, status, incident FROM alerts ORDER BY fingerprint, starts_at")
    journal = rows.all("SELECT key, status, not_before FROM runs ORDER BY id")
    return all_incidents(rows), kinds(rows), [tuple(dict(row).values()) for row in (*known, *journal)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(80))
@given(deliveries=DELIVERIES)
def test_delivering_every_batch_twice_is_delivering_it_once(rows: Connection, deliveries: list[list[Alert]]) -> None:
    def outcome(times: int) -> tuple[object, ...]:
        with undone(rows):
            for minutes, batch in enumerate(deliveries):
                for _ in range(times):
                    deliver(rows, *batch, minutes=minutes)
            return said(rows)

    assert outcome(1) == outcome(2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(80))
@given(deliveries=DELIVERIES, data=st.data())
def test_saying_again_what_was_said_before_changes_nothing(
    rows: Connection, deliveries: list[list[Alert]], data: st.DataObject
) -> None:
    everything = [one for batch in deliveries for one in batch]
    with undone(rows):
        for batch in deliveries:
            deliver(rows, *batch)
        before = said(rows)
        deliver(rows, *data.draw(st.permutations(everything)))
        assert said(rows) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(80))
@given(deliveries=DELIVERIES)
def test_every_firing_that_is_not_over_belongs_to_an_incident_that_is_open(
    rows: Connection, deliveries: list[list[Alert]]
) -> None:
    with undone(rows):
        for minutes, batch in enumerate(deliveries):
            deliver(rows, *batch, minutes=minutes)
        still_open = {incident.id for incident in all_incidents(rows) if not incident.closed}
        firing = rows.all("SELECT incident FROM alerts WHERE status = 'firing'")
        assert {row["incident"] for row in firing} == still_open
        alive = {row["key"] for row in rows.all("SELECT key FROM runs WHERE status = 'ready'")}
        assert still_open <= alive, "each has a response"
