"""Reads the generic form: one alert or a list of them, as flat JSON with the words that senders commonly use."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from devops_agent.kit.webhook import MAX_LABELS, in_utc, read_patiently
from devops_agent.model.alert import Alert, AlertStatus, Delivery, fingerprint
from devops_agent.ports import ReceiveError

SOURCE = "generic"
_NAME = ("alertname", "name", "title", "rule")
_TARGET = ("target", "service", "host", "instance")
_SEVERITY = ("severity", "level", "priority")
_STATUS = ("status", "state")
_SUMMARY = ("summary", "message", "text")
_STARTS = ("startsAt", "starts_at", "since", "time", "timestamp")
_ENDS = ("endsAt", "ends_at")
_ID = ("fingerprint", "id", "key")
_URL = ("generatorURL", "url", "link")
_OVER = frozenset({"resolved", "ok", "up", "closed", "recovered", "recovery", "normal", "inactive", "cleared"})
_ON = frozenset(
    {"firing", "alerting", "alert", "down", "open", "triggered", "problem", "active", "critical", "warning"}
)
_MILLISECONDS = 1e11
"""A number of seconds since 1970 beyond it would be past the year 5000, so it counts milliseconds."""


class GenericReceiver:
    """Turns flat JSON into alerts.

    `{"name": "DiskFull", "target": "checkout", "severity": "critical", "summary": "…", "status": "firing"}`; a list of
    such, or `{"alerts": [...]}`. Only the name is needed. The same name, target and labels mean the same alert; `id`
    replaces them where a sender has one.
    """

    def parse(self, body: bytes, *, headers: Mapping[str, str], now: datetime) -> Delivery:
        """Return the alerts of a body.

        Raises:
            ReceiveError: it is no JSON, or an alert has no name or a status that says nothing.

        """
        tree = read_patiently(body)
        if isinstance(tree, dict) and isinstance(tree.get("alerts"), list):
            tree = tree["alerts"]
        items = tree if isinstance(tree, list) else [tree]
        return Delivery(alerts=[_alert(item, at=f"alerts[{number}]", now=now) for number, item in enumerate(items)])


def _alert(item: Any, *, at: str, now: datetime) -> Alert:  # noqa: ANN401 — JSON may be of any shape
    if not isinstance(item, dict):
        raise ReceiveError(f"cannot read {at}: it is no object; write {{'name': …, 'target': …, 'status': 'firing'}}")
    labels = {**_texts(item.get("labels"), at=f"{at}.labels")}
    name = _first(item, _NAME) or labels.get("alertname", "")
    if not name:
        raise ReceiveError(f"cannot read {at}: it has no name; give one of {', '.join(_NAME)}")
    labels["alertname"] = name
    if target := _first(item, _TARGET):
        labels.setdefault("service", target)
    identity = {key: value for key, value in labels.items() if key != "severity"}
    if given := _first(item, _ID):
        identity = {"alertname": name, "id": given}
    if severity := _first(item, _SEVERITY):
        labels["severity"] = severity
    annotations = _texts(item.get("annotations"), at=f"{at}.annotations")
    if summary := _first(item, _SUMMARY):
        annotations.setdefault("summary", summary)
    if description := _first(item, ("description",)):
        annotations.setdefault("description", description)
    status = _status(_first(item, _STATUS), at=at)
    ends = _moment(item, _ENDS, at=at)
    return Alert(
        fingerprint=fingerprint(identity),
        status=status,
        labels=labels,
        annotations=annotations,
        starts_at=_moment(item, _STARTS, at=at) or now,
        ends_at=(ends or now) if status is AlertStatus.RESOLVED else None,
        source=SOURCE,
        generator_url=_first(item, _URL),
    )


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of these members that is set, as text."""
    for name in names:
        value = item.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _texts(value: Any, *, at: str) -> dict[str, str]:  # noqa: ANN401 — JSON may be of any shape
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        raise ReceiveError(f"cannot read {at}: write an object of texts, such as {{'team': 'payments'}}")
    if len(value) > MAX_LABELS:
        raise ReceiveError(f"cannot read {at}: more than {MAX_LABELS} members")
    return {name: one if isinstance(one, str) else msgspec.json.encode(one).decode() for name, one in value.items()}


def _status(said: str, *, at: str) -> AlertStatus:
    if not said or said.lower() in _ON:
        return AlertStatus.FIRING
    if said.lower() in _OVER:
        return AlertStatus.RESOLVED
    raise ReceiveError(f"cannot read {at}: status {said[:40]!r} says nothing; write firing or resolved")


def _moment(item: Mapping[str, Any], names: tuple[str, ...], *, at: str) -> datetime | None:
    for name in names:
        value = item.get(name)
        if value in (None, ""):
            continue
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
            moment = value if isinstance(value, datetime) else msgspec.convert(value, type=datetime)
        except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
            raise ReceiveError(f"cannot read {at}.{name}: write 2026-01-31T12:00:00Z or seconds since 1970") from error
        return in_utc(moment) if moment.year > 1 else None
    return None
