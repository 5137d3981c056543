"""Invents logs of several services in the forms that programs write, and knows what each line is an instance of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from devops_agent.model.telemetry import LogLine

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)

_SLOT = re.compile(r"\{(\w+)\}")
_USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olga")
_HOSTS = ("db-1.internal", "cache-2.internal", "mq.internal", "10.0.3.7", "auth-svc", "ledger.prod.local")
_PLACES = ("orders", "carts", "users", "prices", "models", "sessions", "items")
_SYMBOLS = ("AAPL", "MSFT", "TSLA", "NVDA", "AMZN", "GOOG", "META", "INTC")

_VALUES: dict[str, Callable[[Random], str]] = {
    "int": lambda draw: str(draw.randrange(100_000)),
    "few": lambda draw: str(draw.randrange(1, 9)),
    "ms": lambda draw: f"{draw.lognormvariate(4, 1):.0f}",
    "seconds": lambda draw: f"{draw.lognormvariate(-1, 1):.3f}",
    "share": lambda draw: f"{draw.random() * 100:.1f}",
    "uuid": lambda draw: "-".join(f"{draw.getrandbits(4 * size):0{size}x}" for size in (8, 4, 4, 4, 12)),
    "hex": lambda draw: f"{draw.getrandbits(64):016x}",
    "address": lambda draw: f"0x{draw.getrandbits(32):08x}",
    "ip": lambda draw: ".".join(str(draw.randrange(256)) for _ in range(4)),
    "port": lambda draw: str(draw.randrange(1024, 65536)),
    "user": lambda draw: draw.choice(_USERS),
    "mail": lambda draw: f"{draw.choice(_USERS)}{draw.randrange(99)}@example.org",
    "host": lambda draw: draw.choice(_HOSTS),
    "symbol": lambda draw: draw.choice(_SYMBOLS),
    "path": lambda draw: f"/api/v1/{draw.choice(_PLACES)}/{draw.randrange(10_000)}",
    "file": lambda draw: f"/var/lib/app/{draw.choice(_PLACES)}/part-{draw.randrange(1000):05d}.parquet",
    "quoted": lambda draw: f'"{draw.choice(_USERS)} {draw.choice(_PLACES)} {draw.randrange(100)}"',
    "day": lambda draw: f"2026-0{draw.randrange(1, 9)}-{draw.randrange(10, 28)}",
}

_SERVICES: dict[str, tuple[str, ...]] = {
    "python": (
        "INFO predictor.api prediction for {symbol} ready in {ms} ms",
        "INFO predictor.api request {uuid} from {ip} accepted",
        "INFO predictor.train epoch {few} loss {seconds} accuracy {share}%",
        "DEBUG predictor.cache hit ratio {share}% over {int} keys",
        "INFO predictor.store wrote {int} rows to {file}",
        "WARNING predictor.api slow answer to {ip}: {ms} ms",
        "WARNING predictor.cache evicted {int} entries, {share}% full",
        "ERROR predictor.api prediction for {symbol} failed: model {hex} is not loaded",
        "ERROR predictor.store connection to {host}:{port} refused",
        "ERROR predictor.feed timed out after {few} s waiting for {host}",
        "INFO predictor.auth user {user} logged in from {ip}",
        "INFO predictor.auth user {user} logged out after {int} s",
        "CRITICAL predictor.store no space left on device while writing {file}",
    ),
    "logback": (
        "INFO c.shop.OrderService - Order {uuid} created for customer {int}",
        "INFO c.shop.OrderService - Order {uuid} shipped to {user} in {few} parcels",
        "INFO c.shop.Payment - Payment of {share} EUR by {mail} captured",
        "WARN c.shop.Payment - Payment {hex} retried {few} times",
        "ERROR c.shop.Payment - Payment {hex} declined by gateway {host}",
        "ERROR c.shop.Stock - Could not lock row {int}: deadlock detected",
        "DEBUG o.h.SQL - select o.id, o.total from orders o where o.id = {int}",
        "INFO o.s.web.Dispatcher - Completed {few} of {int} tasks",
        "WARN com.zaxxer.hikari.pool - Pool stats (total={few}, active={few}, idle={few}, waiting={few})",
        "INFO o.a.k.Consumer - Partition {few} offset {int} lag {int}",
        "ERROR o.a.k.Consumer - Broker {host}:{port} is not available, backing off for {ms} ms",
    ),
    "json": (
        "info request completed with status {few} in {ms} ms",
        "info session {hex} opened by {mail}",
        "info worker {few} picked job {uuid}",
        "warn queue {quoted} holds {int} jobs",
        "error upstream {host} answered {few} times with bad gateway",
        "error cannot parse payload of job {uuid}: unexpected token at position {int}",
        "error getaddrinfo ENOTFOUND {host}",
        "info gc freed {int} kB in {ms} ms",
        "debug config key {quoted} read from {file}",
    ),
    "logfmt": (
        "info compacted block {hex} of {int} samples",
        "info scrape of {host} took {seconds}s",
        "warn duplicate sample for series {hex} at {day}",
        "error failed to fetch {path}: context deadline exceeded",
        "error permission denied for role {quoted}",
        "info checkpoint {int} complete, {int} buffers written",
        "info rule group {quoted} evaluated {int} rules",
    ),
    "klog": (
        "I controller.go:{few}] Reconciled object default/{user}-{few} generation {int}",
        "I leader.go:{few}] Renewed lease {uuid} for {few} s",
        "W reflector.go:{few}] watch of {host} closed with: too old resource version: {int} ({int})",
        "E kubelet.go:{few}] Failed to pull image registry.local/app:{hex} for pod {user}",
        "E volume.go:{few}] Volume {quoted} could not be mounted on {host} after {few} attempts",
    ),
    "access": ("GET", "POST", "DELETE"),
}


@dataclass(frozen=True, kw_only=True)
class Invented:
    """A line and what it is an instance of."""

    line: LogLine
    truth: str
    """Lines with the same text here belong together."""


def invent(count: int, *, seed: int = 7) -> Iterator[Invented]:
    """Yield `count` lines of an hour from all services; the frequency of their templates falls off as in real logs."""
    draw = Random(seed)  # noqa: S311 — invented logs need no secure randomness
    known = [(form, template) for form, templates in _SERVICES.items() for template in templates]
    draw.shuffle(known)
    weights = [1 / (rank + 2) for rank in range(len(known))]
    for number, (form, template) in enumerate(draw.choices(known, weights, k=count)):
        at = BEGIN + timedelta(hours=number / count)
        text, truth = _WRITE[form](draw, at, template)
        yield Invented(line=LogLine(at=at, text=text, labels={"container": form}), truth=f"{form} {truth}")


def _filled(draw: Random, template: str) -> str:
    return _SLOT.sub(lambda slot: _VALUES[slot[1]](draw), template)


def _python(draw: Random, at: datetime, template: str) -> tuple[str, str]:
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d} {_filled(draw, template)}", template


def _logback(draw: Random, at: datetime, template: str) -> tuple[str, str]:
    level, _, rest = template.partition(" ")
    thread = draw.choice(("main", "http-nio-8080-exec-3", "http-nio-8080-exec-11", "scheduler-1"))
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z [{thread}] {level:<5} {_filled(draw, rest)}", template


def _json(draw: Random, at: datetime, template: str) -> tuple[str, str]:
    level, _, rest = template.partition(" ")
    said = {"level": level, "msg": _filled(draw, rest), "pid": 17, "traceId": _VALUES["hex"](draw)}
    return json.dumps({"time": at.isoformat(), **said}), template


def _logfmt(draw: Random, at: datetime, template: str) -> tuple[str, str]:
    level, _, rest = template.partition(" ")
    said = _filled(draw, rest).replace('"', '\\"')
    return f'ts={at.isoformat()} level={level} caller=db.go:{draw.randrange(900)} msg="{said}"', template


def _klog(draw: Random, at: datetime, template: str) -> tuple[str, str]:
    level, _, rest = template.partition(" ")
    return f"{level}{at:%m%d %H:%M:%S.%f}       1 {_filled(draw, rest)}", template


def _access(draw: Random, at: datetime, method: str) -> tuple[str, str]:
    place = draw.choice(_PLACES[:3])
    status = draw.choices((200, 404, 500), (90, 7, 3))[0]
    asked = f'"{method} /{place}/{draw.randrange(9999)} HTTP/1.1" {status} {draw.randrange(9999)} "-" "curl/7.88.1"'
    text = f"{_VALUES['ip'](draw)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] {asked} {_VALUES['seconds'](draw)}"
    return text, f"{method} {place} {status}"


_WRITE = {"python": _python, "logback": _logback, "json": _json, "logfmt": _logfmt, "klog": _klog, "access": _access}
