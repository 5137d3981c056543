"""Alertmanager's webhook and Prometheus' bare lists."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.alert import AlertStatus, Delivery
from devops_agent.plugins.alertmanager.receiver import AlertmanagerReceiver
from devops_agent.ports import ReceiveError
from tests.plugins.posted import NOW, sample


def parse(body: object) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AlertmanagerReceiver().parse(raw, headers={}, now=NOW)


def hook(**alert: object) -> dict[str, Any]:
    return {"version": "4", "alerts": [{"labels": {"alertname": "A"}, "startsAt": "2026-11-21T10:00:00Z", **alert}]}


def test_a_firing_alert_has_no_end_and_keeps_who_it_is() -> None:
    delivery = parse(sample("alertmanager_firing"))
    (alert,) = delivery.alerts
    assert alert.status is AlertStatus.FIRING
    assert alert.fingerprint == "151ab86b6d5756ec"
    assert alert.starts_at == datetime(2026, 11, 21, 0, 0, 16, 568000, tzinfo=UTC)
    assert alert.ends_at is None
    assert alert.source == "alertmanager"
    assert alert.summary == "checkout is down"
    assert delivery.group_labels == {"alertname": "ServiceDown", "service": "checkout"}
    assert alert.group_key == delivery.group_key == '{}:{alertname="ServiceDown", service="checkout"}'


def test_the_resolved_one_names_the_same_firing() -> None:
    (firing,) = parse(sample("alertmanager_firing")).alerts
    (resolved,) = parse(sample("alertmanager_resolved")).alerts
    assert resolved.status is AlertStatus.RESOLVED
    assert (resolved.fingerprint, resolved.starts_at) == (firing.fingerprint, firing.starts_at)
    assert resolved.ends_at == datetime(2026, 11, 21, 0, 0, 19, 568000, tzinfo=UTC)


def test_a_missing_fingerprint_is_the_one_that_alertmanager_would_give() -> None:
    body = json.loads(sample("alertmanager_firing"))
    del body["alerts"][0]["fingerprint"]
    assert parse(body).alerts[0].fingerprint == "151ab86b6d5756ec"


def test_alerts_that_were_left_out_are_counted() -> None:
    delivery = parse({**json.loads(sample("alertmanager_firing")), "truncatedAlerts": 7})
    assert delivery.missing == 7


def test_prometheus_may_post_without_an_alertmanager_between() -> None:
    alerts = [
        {"labels": {"alertname": "Up"}, "startsAt": "2026-11-21T10:00:00Z", "endsAt": "2026-11-21T12:04:00Z"},
        {"labels": {"alertname": "Over"}, "startsAt": "2026-11-21T10:00:00Z", "endsAt": "2026-11-21T11:00:00Z"},
    ]
    assert [alert.status for alert in parse(alerts).alerts] == [AlertStatus.FIRING, AlertStatus.RESOLVED]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-21T10:00:00.123456789Z", datetime(2026, 11, 21, 10, 0, 0, 123457, tzinfo=UTC)),
        ("2026-11-21T10:00:00+05:30", datetime(2026, 11, 21, 4, 30, tzinfo=UTC)),
        ("2026-11-21T10:00:00", datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
        ("9999-12-31T23:59:59-14:00", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", NOW),
        (" 2026-11-21T10:00:00Z ", datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
    ],
)
def test_times_are_read_however_they_are_written(written: str, meant: datetime) -> None:
    (alert,) = parse(hook(startsAt=written)).alerts
    assert alert.starts_at == meant
    assert alert.starts_at.tzinfo is UTC


def test_texts_are_made_harmless() -> None:
    labels = b'{"alertname":"a\\u0000b","odd":"half \\ud83d pair","kept":"C:\\\\u0000"}'
    body = b'{"alerts":[{"labels":%s,"annotations":null}]}' % labels
    (alert,) = parse(body).alerts
    assert alert.labels == {"alertname": "a␀b", "odd": "half ? pair", "kept": "C:\\u0000"}


def test_texts_and_labels_beyond_all_measure_are_cut_instead_of_refused() -> None:
    labels = {"alertname": "Big", **{f"l{number:03}": "x" for number in range(200)}}
    (alert,) = parse(hook(labels=labels, annotations={"summary": "y" * 100_000})).alerts
    assert len(alert.labels) == 64
    assert alert.name == "Big"
    assert len(alert.annotations["summary"]) == 8192
    assert alert.annotations["summary"].endswith("…")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "as JSON"),
        (b"{", "as JSON"),
        (b"[" * 100_000, "as JSON"),
        (b"\xff\xfe", "as JSON"),
        (b'"text"', "Expected `object`"),
        (b"{}", "`alerts`"),
        (b'{"alerts": 3}', r"\$\.alerts"),
        (b'{"alerts": [{"labels": {"a": 1}}]}', r"\$\.alerts\[\.\.\.\]|\$\.alerts\[0\]\.labels"),
        (b'{"alerts": [{"labels": {}}]}', "alertname"),
        (b'{"alerts": [{"labels": {"alertname": "A"}, "startsAt": "yesterday"}]}', "startsAt 'yesterday'"),
        (b'{"alerts": [{"labels": {"alertname": "A"}, "status": "maybe"}]}', "maybe"),
        (b'{"alerts": [], "version": "3"}', "version '3'"),
    ],
)
def test_what_is_no_webhook_is_refused_with_what_is_wrong(body: bytes, says: str) -> None:
    with pytest.raises(ReceiveError, match=says):
        parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ALERTS = st.fixed_dictionaries(
    {},
    optional={
        "labels": JSON | st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
        "annotations": JSON,
        "startsAt": JSON | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        "endsAt": JSON | st.datetimes().map(lambda moment: moment.isoformat() + "+14:00"),
        "status": JSON | st.sampled_from(["firing", "resolved"]),
        "fingerprint": JSON,
    },
)


@given(
    st.binary(max_size=200) | JSON | st.lists(ALERTS, max_size=3) | st.fixed_dictionaries({"alerts": st.lists(ALERTS)})
)
def test_any_body_is_either_alerts_or_refused(body: object) -> None:
    with suppress(ReceiveError):
        for alert in parse(body).alerts:
            assert alert.starts_at.tzinfo is UTC
            assert "\x00" not in "".join([*alert.labels, *alert.labels.values()])
