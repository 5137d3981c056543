"""Read what senders of alerts post: typed and fast when it is in order, patient and exact when it is not.

Limits are part of the types, so that the fast way costs nothing for them: at most 64 labels with names of 256 and
values of 8,192 characters. A body that breaks one is mended (cut, with `…` at the end) instead of refused, because a
sender that is refused drops the alert.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.ports import ReceiveError

T = TypeVar("T")

MAX_LABELS = 64
MAX_NAME = 256
MAX_TEXT = 8_192
_EARLIEST_YEAR = 1970
"""Senders write the year 1 for "no time"."""
_TEXT_MAPS = frozenset({"labels", "annotations", "groupLabels", "commonLabels", "commonAnnotations"})
_TIMES = frozenset({"startsAt", "endsAt"})
_CUT = "…"
# An escaped NUL, but not an escaped backslash that happens to stand before `u0000`.
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Texts = Annotated[dict[Annotated[str, msgspec.Meta(max_length=MAX_NAME)], Text], msgspec.Meta(max_length=MAX_LABELS)]


class Posted(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """One alert as Prometheus, Alertmanager and Grafana write it."""

    labels: Texts
    annotations: Texts = {}
    status: AlertStatus | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: Text = msgspec.field(name="generatorURL", default="")
    fingerprint: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""


class Form(Generic[T]):
    """A sender's form of body."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def read(self, body: bytes) -> T:
        """Return the body as this form.

        Raises:
            ReceiveError: it is no JSON, or of another form; says where.

        """
        if b"\\u0000" not in body:
            try:
                return self._decoder.decode(body)
            except (ValueError, RecursionError):
                pass  # the patient way mends it, or says what is wrong
        try:
            return msgspec.convert(read_patiently(body), type=self._kind)
        except msgspec.ValidationError as error:
            raise ReceiveError(f"cannot read the alerts: {error}") from error


def read_patiently(body: bytes) -> Any:  # noqa: ANN401 — JSON may be of any shape
    """Return the body as JSON with harmless texts of bearable length: no NUL, no half surrogate pairs, no null members.

    Raises:
        ReceiveError: it is no JSON.

    """
    try:
        return _mended(json.loads(_ESCAPED_NUL.sub(rb"\1\\u2400", body), strict=False), "")
    except (ValueError, RecursionError) as error:
        raise ReceiveError(f"cannot read the body as JSON: {error}") from error


def in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC; one without a zone counts as UTC, one beyond the calendar as its end."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def alert_of(posted: Posted, *, source: str, group_key: str, now: datetime) -> Alert:
    """Return the fact; a firing that says no beginning begins `now`.

    Raises:
        ReceiveError: it has no labels, so nobody can know what it is about.

    """
    labels = posted.labels
    if not labels:
        raise ReceiveError("cannot take an alert without labels; it needs at least `alertname`")
    starts, ends, status = posted.starts_at, posted.ends_at, posted.status
    starts = now if starts is None or starts.year < _EARLIEST_YEAR else in_utc(starts)
    if ends is not None:
        ends = None if ends.year < _EARLIEST_YEAR else in_utc(ends)
    if status is None:  # Prometheus itself sends none: an end in the past is the end
        status = AlertStatus.RESOLVED if ends is not None and ends <= now else AlertStatus.FIRING
    if status is AlertStatus.FIRING:
        ends = None
    elif ends is None:
        ends = now
    return Alert(
        fingerprint=posted.fingerprint or fingerprint(labels),
        status=status,
        labels=labels,
        annotations=posted.annotations,
        starts_at=starts,
        ends_at=ends,
        source=source,
        group_key=group_key,
        generator_url=posted.generator_url,
    )


def _mended(value: Any, name: str) -> Any:  # noqa: ANN401 — JSON may be of any shape
    if isinstance(value, str):
        return _moment(value, name) if name in _TIMES else _harmless(value, MAX_TEXT)
    if isinstance(value, list):
        return [_mended(one, "") for one in value]
    if isinstance(value, dict):
        kept = {
            _harmless(key, MAX_NAME): _mended(one, "" if name in _TEXT_MAPS else key)
            for key, one in value.items()
            if one is not None
        }
        return _fewer(kept) if name in _TEXT_MAPS else kept
    return value


def _harmless(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + _CUT
    return cut.replace("\x00", "␀").encode("utf-8", "replace").decode()


def _moment(text: str, name: str) -> datetime:
    try:
        return msgspec.convert(text.strip(), type=datetime)
    except msgspec.ValidationError as error:
        raise ReceiveError(f"cannot read {name} {text[:60]!r}; write 2026-01-31T12:00:00Z") from error


def _fewer(texts: dict[str, Any]) -> dict[str, Any]:
    """Keep the first labels by name, and always the two that say what and how bad."""
    if len(texts) <= MAX_LABELS:
        return texts
    first = sorted(texts, key=lambda name: (name not in {"alertname", "severity"}, name))[:MAX_LABELS]
    return {name: texts[name] for name in first}
