"""Alertmanager's API, version 2, as far as it is needed here."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from devops_agent.kit.http import Http, HttpError
from devops_agent.kit.webhook import Form, Posted
from devops_agent.ports import PluginError, ReceiveError

_LIMIT = 32_000_000
"""Bytes of an answer: some 50,000 alerts."""


class Standing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether Alertmanager would tell people of an alert."""

    state: str = "active"
    silenced_by: list[str] = []
    inhibited_by: list[str] = []
    muted_by: list[str] = []

    @property
    def suppressed(self) -> bool:
        """Whether somebody or something decided that nobody is told."""
        return self.state != "active" or bool(self.silenced_by or self.inhibited_by or self.muted_by)


class Listed(msgspec.Struct, kw_only=True, rename="camel"):
    """One alert of `GET /api/v2/alerts`; its other fields are those of `Posted`."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = msgspec.field(name="generatorURL", default="")
    fingerprint: str = ""
    status: Standing = Standing()

    def posted(self) -> Posted:
        """Return it as the webhook would have brought it."""
        return Posted(
            labels=self.labels,
            annotations=self.annotations,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            generator_url=self.generator_url,
            fingerprint=self.fingerprint,
        )


_ALERTS = Form(list[Listed])


class AlertmanagerClient:
    """Asks one Alertmanager."""

    def __init__(self, url: str, *, http: Http, token: str = "", timeout: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._timeout = timeout

    async def alerts(self, labels: Mapping[str, str]) -> list[Listed]:
        """Return the alerts that carry all of `labels` and are neither silenced nor inhibited.

        Raises:
            PluginError: it cannot be reached, or answers something else.

        """
        query = [("active", "true"), ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "false")]
        query += [("filter", f"{name}={_quoted(value)}") for name, value in sorted(labels.items())]
        url = f"{self._url}/api/v2/alerts?{urlencode(query)}"
        try:
            answer = await self._http.request(
                "GET", url, headers=self._headers, timeout=self._timeout, limit=_LIMIT, keep=True
            )
        except HttpError as error:
            raise PluginError(str(error)) from error
        if not answer.ok:
            raise PluginError(
                f"cannot list the alerts of {self._url}: {answer.status} {answer.text[:200].strip()}",
                retryable=answer.status not in {400, 401, 403, 404},
            )
        try:
            listed = _ALERTS.read(answer.body)
        except ReceiveError as error:
            raise PluginError(f"cannot read the answer of {self._url}: {error}") from error
        # Servers before 0.16 do not know the query's switches, so what they send is looked at again.
        return [one for one in listed if not one.status.suppressed]


def _quoted(value: str) -> str:
    """Write a label's value as a matcher has it (pkg/labels in Alertmanager's source)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
