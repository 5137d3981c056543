"""The generic form."""

import json
from datetime import UTC, datetime

import pytest

from devops_agent.model.alert import Alert, AlertStatus, Severity
from devops_agent.plugins.generic.receiver import GenericReceiver
from devops_agent.ports import ReceiveError
from tests.plugins.posted import NOW


def parse(body: object) -> list[Alert]:
    return GenericReceiver().parse(json.dumps(body).encode(), headers={}, now=NOW).alerts


def test_a_name_is_enough() -> None:
    (alert,) = parse({"name": "BackupFailed"})
    assert alert.name == "BackupFailed"
    assert alert.firing
    assert alert.starts_at == NOW


def test_all_parts_are_taken_over() -> None:
    (alert,) = parse(
        {
            "alertname": "DiskFull",
            "target": "checkout",
            "severity": "critical",
            "summary": "97 % used",
            "labels": {"mount": "/var", "shard": 3},
            "since": "2026-11-21T10:00:00Z",
            "url": "http://127.0.0.1/rule",
        }
    )
    assert alert.labels == {
        "alertname": "DiskFull", "service": "checkout", "severity": "critical", "mount": "/var", "shard": "3"
    }  # fmt: skip
    assert alert.severity is Severity.CRITICAL
    assert alert.summary == "97 % used"
    assert alert.starts_at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    assert alert.generator_url == "http://127.0.0.1/rule"


def test_the_end_names_the_same_alert_although_its_severity_changed() -> None:
    firing, resolved = parse(
        [
            {"name": "DiskFull", "service": "checkout", "severity": "critical"},
            {"name": "DiskFull", "service": "checkout", "severity": "ok", "status": "OK"},
        ]
    )
    assert firing.fingerprint == resolved.fingerprint
    assert resolved.status is AlertStatus.RESOLVED
    assert resolved.ends_at == NOW


def test_an_id_of_the_sender_says_who_it_is() -> None:
    one, two = parse([{"name": "A", "id": 7, "service": "x"}, {"name": "A", "id": 7, "service": "y"}])
    assert one.fingerprint == two.fingerprint


@pytest.mark.parametrize(
    "stamp", [1_795_255_200, 1_795_255_200_000, "2026-11-21T10:00:00Z", "2026-11-21T11:00:00+01:00"]
)
def test_times_may_be_numbers(stamp: object) -> None:
    assert parse({"name": "A", "timestamp": stamp})[0].starts_at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"target": "x"}, r"alerts\[0\]: it has no name"),
        ([{"name": "A"}, 3], r"alerts\[1\]: it is no object"),
        ({"name": "A", "status": "perhaps"}, "write firing or resolved"),
        ({"name": "A", "labels": ["x"]}, r"alerts\[0\]\.labels"),
        ({"name": "A", "labels": {"x": {"y": 1}}}, r"alerts\[0\]\.labels"),
        ({"name": "A", "since": "soon"}, r"alerts\[0\]\.since"),
        ({"name": "A", "since": 1e300}, r"alerts\[0\]\.since"),
    ],
)
def test_what_says_nothing_is_refused_with_what_to_write(body: object, says: str) -> None:
    with pytest.raises(ReceiveError, match=says):
        parse(body)


@pytest.mark.parametrize("depth", [300, 600, 950, 100_000])
def test_a_body_nested_too_deep_is_refused_as_unreadable(depth: int) -> None:
    body = '{"name": "A", "labels": {"a\\u0000": ' + "[" * depth + "]" * depth + "}}"
    with pytest.raises(ReceiveError):
        GenericReceiver().parse(body.encode(), headers={}, now=NOW)
