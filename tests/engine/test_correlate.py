"""Which incident an alert belongs to, seen through the door by which alerts come in."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.settings import Maintenance
from devops_agent.engine import lifecycle
from devops_agent.kit.testing import START
from devops_agent.model.alert import Severity
from devops_agent.model.incident import Status
from devops_agent.store import alerts, controls, incidents
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import TARGETS, alert, all_incidents, at, deliver, ground, kinds, one_transaction, timeline


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def targets(rows: Rows) -> list[str]:
    return [incident.target for incident in all_incidents(rows)]


def silence(rows: Rows, minutes: float = 60, **matchers: str) -> None:
    controls.silence(rows, matchers=matchers, by="alice", comment="known", begins_at=START, ends_at=at(minutes))


def test_alerts_of_one_cause_join_one_incident(rows: Rows) -> None:
    deliver(rows, alert("ServiceDown"), alert("HighLatency"), alert("HighErrorRate"))
    deliver(rows, alert("HighMemoryUsage"), minutes=1)
    (incident,) = all_incidents(rows)
    assert alerts.counts(rows, incident.id) == (4, 4)
    assert kinds(rows) == ["opened", "joined"]


def test_the_gravest_alert_of_a_batch_names_the_incident(rows: Rows) -> None:
    deliver(rows, alert("HighLatency", severity="warning"), alert("ServiceDown", severity="critical"))
    (incident,) = all_incidents(rows)
    assert (incident.kind, incident.severity, incident.title) == ("down", Severity.CRITICAL, "ServiceDown on api")


def test_a_graver_alert_that_joins_makes_the_incident_graver_and_a_milder_one_does_not(rows: Rows) -> None:
    deliver(rows, alert("HighLatency", severity="warning"))
    deliver(rows, alert("OutOfMemory", severity="critical"))
    deliver(rows, alert("HighCpu", severity="info"))
    (incident,) = all_incidents(rows)
    assert (incident.kind, incident.severity) == ("out_of_memory", Severity.CRITICAL)


def test_different_causes_on_one_target_are_different_incidents(rows: Rows) -> None:
    deliver(rows, alert("ServiceDown"), alert("DiskFilling"), alert("CertificateExpiresSoon"))
    assert sorted(incident.kind for incident in all_incidents(rows)) == ["certificate_expiry", "disk_filling", "down"]


def test_different_targets_are_different_incidents(rows: Rows) -> None:
    deliver(rows, alert(service="db"), alert(service="mail"))
    assert targets(rows) == ["db", "mail"]


def test_a_target_is_known_by_its_aliases_too(rows: Rows) -> None:
    deliver(rows, alert(service="api"), alert(service="api-1"), alert(service="", container="api"))
    assert targets(rows) == ["api"]


def test_a_flood_in_one_batch_is_one_line_in_the_timeline(rows: Rows) -> None:
    deliver(rows, alert())
    deliver(rows, *(alert("HighLatency", path=f"/{number}") for number in range(300)))
    assert kinds(rows) == ["opened", "joined"]
    joined = timeline(rows)[1]
    assert (joined.says, joined.data["count"]) == ("300 alerts (HighLatency) joined: the same cause", 300)
    assert alerts.counts(rows, "INC-1") == (301, 301)


def test_a_cause_that_comes_back_soon_opens_its_incident_again(rows: Rows) -> None:
    deliver(rows, alert())
    deliver(rows, alert(over=True), minutes=5)
    deliver(rows, alert("HighLatency", began=20, severity="warning"), minutes=20)
    (incident,) = all_incidents(rows)
    assert (incident.status, incident.kind, incident.severity) == (Status.OPEN, "high_latency", Severity.WARNING)
    assert kinds(rows) == ["opened", "resolved", "open"]


def test_a_cause_that_comes_back_later_opens_another_incident(rows: Rows) -> None:
    deliver(rows, alert())
    deliver(rows, alert(over=True), minutes=5)
    deliver(rows, alert(began=36), minutes=36)
    assert [incident.status for incident in all_incidents(rows)] == [Status.RESOLVED, Status.OPEN]


def test_a_silenced_alert_is_kept_and_opens_nothing(rows: Rows) -> None:
    silence(rows, alertname="Service*", service="api")
    deliver(rows, alert(), alert(service="db"))
    assert targets(rows) == ["db"]
    assert {(one.labels["service"], incident) for one, incident in alerts.latest(rows)} == {
        ("api", ""),
        ("db", "INC-1"),
    }


def test_a_silence_may_name_the_target_under_our_name_for_it(rows: Rows) -> None:
    silence(rows, target="api")
    deliver(rows, alert(service="api-1"))
    assert all_incidents(rows) == []


def test_an_alert_that_still_fires_when_the_silence_is_over_opens_an_incident(rows: Rows) -> None:
    silence(rows, minutes=10, alertname="*")
    deliver(rows, alert(), minutes=9)
    assert all_incidents(rows) == []
    deliver(rows, alert(), minutes=10)
    assert targets(rows) == ["api"]


def test_a_silenced_alert_that_ends_says_nothing(rows: Rows) -> None:
    silence(rows, alertname="*")
    deliver(rows, alert())
    deliver(rows, alert(over=True), minutes=1)
    assert (all_incidents(rows), kinds(rows)) == ([], [])


def test_maintenance_holds_alerts_of_its_targets_back_while_its_window_is_open(rows: Rows) -> None:
    # START is Monday, 12:00 UTC.
    window = Maintenance(targets=("a*",), cron="0 12 * * mon", lasts=timedelta(minutes=30), reason="deploy")
    judged = ground(maintenance=(window,))
    deliver(rows, alert(), alert(service="db"), minutes=29, on=judged)
    assert targets(rows) == ["db"]
    deliver(rows, alert(over=True, service="db"), minutes=29, on=judged)
    deliver(rows, alert(), minutes=30, on=judged)
    assert targets(rows) == ["db", "api"]


def test_an_alert_of_what_depends_on_something_in_trouble_joins_its_incident(rows: Rows) -> None:
    deliver(rows, alert(service="db"))
    deliver(rows, alert(service="api"), alert(service="web"), minutes=1)
    (incident,) = all_incidents(rows)
    assert incident.target == "db"
    assert [event.says for event in timeline(rows)[1:]] == [
        "ServiceDown joined: api depends on db",
        "ServiceDown joined: web depends on db",
    ]


def test_an_incident_that_was_there_first_is_tied_to_that_of_what_it_depends_on(rows: Rows) -> None:
    deliver(rows, alert(service="web"))
    deliver(rows, alert(service="db"), minutes=1)
    web, db = all_incidents(rows)
    assert (web.parent, db.parent) == (db.id, "")
    assert kinds(rows, web.id) == ["opened", "parent"]


def test_child_and_parent_in_one_batch_end_tied_together(rows: Rows) -> None:
    deliver(rows, alert(service="api"), alert(service="db"))
    api, db = all_incidents(rows)
    assert (api.target, api.parent, db.parent) == ("api", db.id, "")


def test_a_parent_that_comes_back_is_tied_to_its_victims_again(rows: Rows) -> None:
    deliver(rows, alert(service="db"))
    deliver(rows, alert(service="db", over=True), minutes=1)
    deliver(rows, alert(service="api"), minutes=2)
    deliver(rows, alert(service="db", began=3), minutes=3)
    db, api = all_incidents(rows)
    assert (db.status, api.parent) == (Status.OPEN, db.id)


def test_a_victim_that_is_being_acted_on_is_left_alone(rows: Rows) -> None:
    deliver(rows, alert(service="api"))
    incident = all_incidents(rows)[0]
    for to in (Status.INVESTIGATING, Status.REMEDIATING):
        incident = lifecycle.move(rows, incident, to, reason="x", now=at(0))
    deliver(rows, alert(service="db"), minutes=1)
    assert all_incidents(rows)[0].parent == ""


def test_trouble_of_another_sort_is_not_explained_by_what_a_target_depends_on(rows: Rows) -> None:
    deliver(rows, alert(service="db"))
    deliver(rows, alert("DiskFilling", service="api"))
    deliver(rows, alert(service="mail"))
    assert targets(rows) == ["db", "api", "mail"]


def test_what_was_explained_stands_for_itself_when_it_fires_anew_after_its_parent_was_resolved(rows: Rows) -> None:
    deliver(rows, alert(service="db"))
    deliver(rows, alert(service="api"), minutes=1)
    deliver(rows, alert(service="db", over=True), alert(service="api", over=True), minutes=2)
    deliver(rows, alert(service="api", began=3), minutes=3)
    db, api = all_incidents(rows)
    assert (db.status, api.target, api.status) == (Status.RESOLVED, "api", Status.OPEN)


def test_what_comes_back_while_what_it_depends_on_is_in_trouble_joins_that(rows: Rows) -> None:
    deliver(rows, alert(service="api"))
    deliver(rows, alert(service="api", over=True), minutes=1)
    deliver(rows, alert(service="db"), minutes=2)
    deliver(rows, alert(service="api", began=3), minutes=3)
    api, db = all_incidents(rows)
    assert api.closed
    assert alerts.counts(rows, db.id) == (2, 2)


def test_dependencies_in_a_ring_explain_each_other_once(rows: Rows) -> None:
    ring = ground([TARGETS[0].with_(depends_on=("api",)), TARGETS[1].with_(depends_on=("web",))])
    deliver(rows, alert(service="web"), on=ring)
    deliver(rows, alert(service="api"), on=ring)
    (incident,) = all_incidents(rows)
    assert (incident.target, incident.parent) == ("web", "")


def test_alerts_about_strangers_group_by_name_and_rule(rows: Rows) -> None:
    deliver(rows, alert("ServiceDown", "stranger", path="/a"), alert("ServiceDown", "stranger", path="/b"))
    deliver(rows, alert("HighLatency", "stranger"))
    deliver(rows, alert("ServiceDown", "other"))
    assert [(incident.target, incident.kind) for incident in all_incidents(rows)] == [
        ("stranger", "down"),
        ("stranger", "high_latency"),
        ("other", "down"),
    ]


def test_alerts_that_name_nobody_group_by_what_their_sender_groups_them_by(rows: Rows) -> None:
    one, other = alert(service=""), alert(service="", path="/b")
    deliver(rows, one.with_(group_key="g"), other.with_(group_key="g"))
    deliver(rows, alert(service="", path="/c"))
    assert targets(rows) == ["g", alert(service="", path="/c").fingerprint]


def test_a_stranger_with_an_endless_name_fits_into_the_index(rows: Rows) -> None:
    deliver(rows, alert(service="x" * 5_000))
    deliver(rows, alert(service="x" * 5_000, path="/b"))
    assert targets(rows) == ["x" * 200]


def test_alerts_about_the_agent_itself_are_an_incident_of_their_own_sort_also_when_they_come_back(rows: Rows) -> None:
    deliver(rows, alert("DevopsAgentDown", "api"), alert("ServiceDown", "api"))
    own, other = all_incidents(rows)
    assert (own.kind, other.kind) == ("self", "down")
    deliver(rows, alert("DevopsAgentDown", "api", over=True), minutes=1)
    deliver(rows, alert("DevopsAgentDown", "api", began=2), minutes=2)
    again = incidents.get(rows, own.id)
    assert again is not None
    assert (again.status, again.kind) == (Status.OPEN, "self")
