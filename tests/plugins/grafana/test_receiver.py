"""Grafana's webhook."""

import json
from datetime import UTC, datetime

import pytest

from devops_agent.model.alert import AlertStatus
from devops_agent.plugins.grafana.receiver import GrafanaReceiver
from devops_agent.ports import ReceiveError
from tests.plugins.posted import NOW, sample


def test_alerts_are_read_with_grafanas_links() -> None:
    delivery = GrafanaReceiver().parse(sample("grafana_firing"), headers={}, now=NOW)
    firing, resolved = delivery.alerts
    assert firing.status is AlertStatus.FIRING
    assert firing.starts_at == datetime(2026, 11, 21, 9, 13, 10, tzinfo=UTC)
    assert firing.ends_at is None
    assert firing.source == "grafana"
    assert firing.annotations["silence_url"].startswith("http://127.0.0.1:3000/alerting/silence/new")
    assert firing.annotations["dashboard_url"].startswith("http://127.0.0.1:3000/d/")
    assert "91.40625" in firing.annotations["values"]
    assert resolved.status is AlertStatus.RESOLVED
    assert resolved.ends_at == datetime(2026, 11, 21, 9, 13, 10, tzinfo=UTC)
    assert set(resolved.annotations) == {"summary", "silence_url"}


def test_alertmanagers_form_is_sent_to_its_own_path() -> None:
    with pytest.raises(ReceiveError, match="/webhook/alerts"):
        GrafanaReceiver().parse(sample("alertmanager_firing"), headers={}, now=NOW)


def test_an_old_dashboard_alert_is_refused() -> None:
    body = json.dumps({"ruleName": "CPU", "state": "alerting", "title": "[Alerting] CPU"}).encode()
    with pytest.raises(ReceiveError, match="alerts"):
        GrafanaReceiver().parse(body, headers={}, now=NOW)
