"""Takes alerts: reads the body, drops what was said before, writes the rest, and answers only when it is on the disk.

Senders repeat what they got no 2xx for: Alertmanager tries again within a second after a 5xx, but drops what was
answered with a 4xx. So an overloaded or locked store is a 503, and only what can never be read is a 4xx.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from devops_agent.engine.receive import Received, receive
from devops_agent.model.fact import to_json
from devops_agent.ports import ReceiveError
from devops_agent.store import alerts, runs
from devops_agent.store.rows import StoreError
from devops_agent.web.edge import route_path
from devops_agent.web.problem import ProblemError, answer, busy
from devops_agent.web.repeats import Memory

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from devops_agent.model.alert import Alert, AlertStatus, Delivery
    from devops_agent.ports import Receiver
    from devops_agent.store.rows import Rows
    from devops_agent.web.auth import Gate
    from devops_agent.web.parts import Parts

log = logging.getLogger("devops_agent.intake")

Firing: TypeAlias = "tuple[str, datetime, AlertStatus]"
"""Fingerprint, beginning, status: what makes an alert a repeat."""

ALIASES = {
    "/webhook/alerts": "alertmanager",
    "/webhook/alert": "alertmanager",
    "/api/v1/alerts": "alertmanager",
    "/api/v2/alerts": "alertmanager",
}
"""Paths beside `/webhook/RECEIVER`, and who reads what is posted there; Prometheus itself posts to the last one."""
COMPLETE = "complete"
"""The queue of groups whose sender left alerts out."""
TOPICS = ("respond", "events")
_BODY_WITHIN = 10.0
"""Seconds that a sender may take for its body."""
_DISCARD_WITHIN = 2.0
_FORGET_AFTER = 150.0
"""Seconds; what is repeated reaches the store again after one to two times that."""
_BODIES = 2_048
_FIRINGS = 32_768
_CLOSED = 499
"""What proxies log for a client that hung up."""


class Intake:
    """The ASGI application of all paths that take alerts."""

    def __init__(self, parts: Parts, gate: Gate) -> None:
        self._parts = parts
        self._gate = gate
        self.paths = {**{f"/webhook/{name}": name for name in parts.receivers}, **ALIASES}
        self._bodies: Memory[tuple[str, bytes], int] = Memory(most=_BODIES, span=_FORGET_AFTER)
        self._firings: Memory[Firing, bool] = Memory(most=_FIRINGS, span=_FORGET_AFTER)
        self.received: Counter[str] = Counter()
        """Receiver → alerts since the start."""
        self.repeated: Counter[str] = Counter()
        """Receiver → those of them that said nothing new."""
        self.refused: Counter[str] = Counter()
        """Status code → requests that were not taken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            said = await self._take(scope, receive)
        except ProblemError as problem:
            self.refused[str(problem.status)] += 1
            if problem.status != _CLOSED:
                await answer(problem)(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client = scope.get("client")
        address = client[0] if client else "local"
        try:
            await self._gate.admit(headers.get("authorization", ""), "alerts", address=address)
        except ProblemError as problem:
            if problem.status == HTTPStatus.TOO_MANY_REQUESTS:  # somebody else's guesses must not cost an alert
                raise busy(problem.detail) from problem
            raise
        if headers.get("content-encoding", "identity") != "identity":
            raise ProblemError(415, "cannot read a compressed body; send it as it is")
        body = await _read(receive, headers, most=self._parts.settings().web.max_body_bytes)
        name = self.paths[route_path(scope)]
        moment = self._parts.clock.monotonic()
        self._bodies.turn(moment)
        self._firings.turn(moment)
        key = (name, hashlib.sha256(body).digest())
        count = self._bodies.get(key)
        if count is None:
            return await self._accept(name, key, body, headers)
        self.received[name] += count
        self.repeated[name] += count
        return _said(0, count, ())

    async def _accept(self, name: str, key: tuple[str, bytes], body: bytes, headers: dict[str, str]) -> bytes:
        now = self._parts.clock.now()
        delivery = _parse(self._parts.receivers[name], body, headers, now)
        count = len(delivery.alerts)
        self.received[name] += count
        fresh = [alert for alert in delivery.alerts if _firing(alert) not in self._firings]
        filtered = count - len(fresh)
        if not fresh and not delivery.missing:
            self.repeated[name] += filtered
            return _said(0, filtered, ())
        try:
            received = await self._parts.store.write(
                lambda rows: self._keep(rows, fresh, delivery=delivery, source=name, now=now), tell=TOPICS
            )
        except StoreError as error:
            log.warning("alerts not taken", extra={"receiver": name, "alerts": len(fresh), "why": str(error)})
            raise busy(f"cannot take the alerts now: {error}") from error
        self.repeated[name] += filtered + received.repeats
        self._firings.add(dict.fromkeys(map(_firing, received.settled), True))
        if (
            not delivery.missing
            and len(received.settled) == count
            and all(alert.starts_at is not now for alert in fresh)
        ):
            self._bodies.add({key: count})
        return _said(received.new, filtered + received.repeats, received.incidents)

    def _keep(self, rows: Rows, fresh: list[Alert], *, delivery: Delivery, source: str, now: datetime) -> Received:
        continued = [_continued(rows, alert, now=now) for alert in fresh]
        received = receive(rows, continued, ground=self._parts.ground(), now=now)
        if delivery.missing:
            runs.enqueue(
                rows,
                COMPLETE,
                source,
                key=delivery.group_key or to_json(delivery.group_labels),
                now=now,
                version=self._parts.version,
                args_json=to_json({"group_key": delivery.group_key, "group_labels": delivery.group_labels}),
            )
        return received


async def _read(receive: Receive, headers: dict[str, str], *, most: int) -> bytes:
    """Return the whole body.

    Raises:
        ProblemError: it is larger than `most` bytes (413), comes too slowly (408), or its sender hung up (499).

    """
    announced = headers.get("content-length", "0")
    fits = not announced.isdigit() or int(announced) <= most
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            while fits:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ProblemError(_CLOSED, "the sender hung up")
                piece = message.get("body", b"")
                size += len(piece)
                fits = size <= most
                pieces.append(piece)
                if fits and not message.get("more_body"):
                    return b"".join(pieces)
    except TimeoutError as error:
        raise ProblemError(408, f"the body did not arrive within {_BODY_WITHIN:g} s", headers=_CLOSE) from error
    await _discard(receive)
    raise ProblemError(413, f"the body is larger than {most} bytes (agent.yaml: web.max_body_bytes)", headers=_CLOSE)


async def _discard(receive: Receive) -> None:
    """Read on for a moment: a sender whose bytes are left unread gets a reset connection and never sees the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_WITHIN):
            while (await receive()).get("more_body"):
                pass


_CLOSE = {"Connection": "close"}


def _parse(receiver: Receiver, body: bytes, headers: dict[str, str], now: datetime) -> Delivery:
    try:
        return receiver.parse(body, headers=headers, now=now)
    except ReceiveError as error:
        log.warning("alerts cannot be read", extra={"why": str(error), "bytes": len(body)})
        raise ProblemError(422, str(error)) from error


def _firing(alert: Alert) -> Firing:
    return alert.fingerprint, alert.starts_at, alert.status


def _continued(rows: Rows, alert: Alert, *, now: datetime) -> Alert:
    """Give an alert whose sender said no beginning the one of its firing that is known, so that it stays one firing."""
    if alert.starts_at is not now:
        return alert
    began = alerts.firing_since(rows, alert.fingerprint)
    return alert if began is None else alert.with_(starts_at=began)


def _said(new: int, repeats: int, incidents: tuple[str, ...]) -> bytes:
    listed = ",".join(f'"{one}"' for one in incidents)
    return b'{"accepted":true,"new":%d,"repeats":%d,"incidents":[%s]}' % (new, repeats, listed.encode())
