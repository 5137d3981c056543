"""Reads the webhook of Grafana's unified alerting (version 1: Alertmanager's form with Grafana's additions)."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from devops_agent.kit.webhook import Form, Posted, Text, Texts, alert_of
from devops_agent.model.alert import Alert, Delivery
from devops_agent.ports import ReceiveError

SOURCE = "grafana"
_LINKS = (
    ("dashboard_url", "dashboard_url"),
    ("panel_url", "panel_url"),
    ("silence_url", "silence_url"),
    ("value_string", "values"),
)


class Posting(Posted, kw_only=True, rename="camel", gc=False):
    """One alert, with what Grafana adds."""

    dashboard_url: Text = msgspec.field(name="dashboardURL", default="")
    panel_url: Text = msgspec.field(name="panelURL", default="")
    silence_url: Text = msgspec.field(name="silenceURL", default="")
    value_string: Text = ""


class Hook(msgspec.Struct, kw_only=True, rename="camel"):
    """The body (receivers/webhook in grafana/alerting's source)."""

    alerts: list[Posting]
    version: str = "1"
    group_key: Text = ""
    group_labels: Texts = {}
    truncated_alerts: int = 0


_HOOK = Form(Hook)


class GrafanaReceiver:
    """Turns a webhook's body into alerts."""

    def parse(self, body: bytes, *, headers: Mapping[str, str], now: datetime) -> Delivery:
        """Return the alerts of a webhook.

        Raises:
            ReceiveError: the body is of another form, such as that of Grafana's old dashboard alerts.

        """
        hook = _HOOK.read(body)
        if hook.version != "1":
            raise ReceiveError(
                f"cannot read version {hook.version!r} of Grafana's webhook; known: 1 "
                "(Alertmanager posts to /webhook/alerts)"
            )
        return Delivery(
            alerts=[_alert(one, group_key=hook.group_key, now=now) for one in hook.alerts],
            missing=max(0, hook.truncated_alerts),
            group_labels=hook.group_labels,
            group_key=hook.group_key,
        )


def _alert(posting: Posting, *, group_key: str, now: datetime) -> Alert:
    alert = alert_of(posting, source=SOURCE, group_key=group_key, now=now)
    added = {
        name: said for field, name in _LINKS if (said := getattr(posting, field)) and name not in alert.annotations
    }
    return alert.with_(annotations={**alert.annotations, **added}) if added else alert
