"""Completes a group of alerts that Alertmanager cut to `max_alerts`."""

from collections.abc import Mapping

from devops_agent.kit.tools import Tools, settings
from devops_agent.kit.webhook import alert_of
from devops_agent.model.alert import Alert
from devops_agent.plugins.alertmanager.client import AlertmanagerClient
from devops_agent.plugins.alertmanager.config import Config
from devops_agent.plugins.alertmanager.receiver import SOURCE
from devops_agent.ports import Clock, PluginError


def build(config: Mapping[str, object], *, tools: Tools) -> "AlertmanagerCompleter":
    """Return the completer."""
    given = settings(Config, config, where="plugins.alertmanager")
    if not given.url:
        return AlertmanagerCompleter(None, clock=tools.clock)
    token = tools.secret(given.token_file) if given.token_file else ""
    client = AlertmanagerClient(given.url, http=tools.http, token=token, timeout=given.timeout)
    return AlertmanagerCompleter(client, clock=tools.clock)


class AlertmanagerCompleter:
    """Fetches every alert of a group."""

    def __init__(self, client: AlertmanagerClient | None, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def complete(self, group_labels: Mapping[str, str], *, group_key: str = "") -> list[Alert]:
        """Return the firing alerts of the group with these labels, without those that are silenced or inhibited.

        Raises:
            PluginError: Alertmanager cannot be asked; not retryable when nobody said where it is.

        """
        if self._client is None:
            raise PluginError(
                "cannot complete a group of alerts that was cut: say where Alertmanager is "
                "(agent.yaml: plugins.alertmanager.url)",
                retryable=False,
            )
        now = self._clock.now()
        listed = await self._client.alerts(group_labels)
        alerts = [alert_of(one.posted(), source=SOURCE, group_key=group_key, now=now) for one in listed]
        return [alert for alert in alerts if alert.firing]
