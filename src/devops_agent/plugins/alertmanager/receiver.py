"""Reads Alertmanager's webhook (version 4), and the bare list of alerts that Prometheus posts to an Alertmanager."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from devops_agent.kit.webhook import Form, Posted, Text, Texts, alert_of
from devops_agent.model.alert import Delivery
from devops_agent.ports import ReceiveError

SOURCE = "alertmanager"


class Hook(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of a webhook (notify/webhook and template.Data in Alertmanager's source)."""

    alerts: list[Posted]
    version: str = "4"
    group_key: Text = ""
    group_labels: Texts = {}
    truncated_alerts: int = 0


_HOOK = Form(Hook)
_LIST = Form(list[Posted])


class AlertmanagerReceiver:
    """Turns a webhook's body into alerts."""

    def parse(self, body: bytes, *, headers: Mapping[str, str], now: datetime) -> Delivery:
        """Return the alerts of a webhook.

        Raises:
            ReceiveError: the body is of another form, or of another version of it.

        """
        if body.lstrip()[:1] == b"[":
            alerts = [alert_of(one, source=SOURCE, group_key="", now=now) for one in _LIST.read(body)]
            return Delivery(alerts=alerts)
        hook = _HOOK.read(body)
        if hook.version != "4":
            raise ReceiveError(f"cannot read version {hook.version!r} of Alertmanager's webhook; known: 4")
        return Delivery(
            alerts=[alert_of(one, source=SOURCE, group_key=hook.group_key, now=now) for one in hook.alerts],
            missing=max(0, hook.truncated_alerts),
            group_labels=hook.group_labels,
            group_key=hook.group_key,
        )
