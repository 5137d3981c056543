"""The reference pages of API and metrics; `python -m devops_agent.web.docs` writes them, tests compare."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from fastapi import FastAPI
    from prometheus_client.core import Metric

_PAGE = Path("docs/reference/api.md")
_METRICS = Path("docs/reference/metrics.md")
_HEAD = """\
# HTTP API

<!-- Written by `python -m devops_agent.web.docs`; edit the docstrings in `src/devops_agent/web` instead. -->
"""
_TAGS = {
    "intake": "Taking alerts",
    "overview": "At a glance",
    "incidents": "Incidents and approvals",
    "controls": "Pauses, silences, flags, tokens",
    "accounts": "Accounts",
    "catalogue": "What there is",
    "learning": "What was learnt",
    "knowledge": "What is known from closed incidents",
    "people": "Who is called",
    "reports": "Told over time",
    "record": "The record",
}


def as_markdown(described: Mapping[str, Any]) -> str:
    """Return an OpenAPI description as a page for people."""
    return "\n".join([_HEAD.rstrip("\n"), *_sections(described)]) + "\n"


def _sections(described: Mapping[str, Any]) -> Iterator[str]:
    yield described["info"]["description"].rstrip()
    yield "\n`GET /openapi.json` is the whole description; `/docs` lets each operation be tried."
    for tag, title in _TAGS.items():
        yield f"\n## {title}\n\n| operation | scope | what it does |\n|---|---|---|"
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield _row(method, path, operation)
    yield "\n## Bodies of commands\n"
    for name, shape in sorted(described["components"]["schemas"].items()):
        if name.endswith("Asked"):
            yield from _shape(name, shape)


def _row(method: str, path: str, operation: Mapping[str, Any]) -> str:
    says = " ".join(operation.get("description", "").split()).replace("|", "\\|")
    asked = [f"`{one['name']}`" for one in operation.get("parameters", ()) if one["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if reference := body.get("$ref"):
        name = reference.rpartition("/")[2]
        says += f" Body: [{name}](#{name.lower()})."
    if asked:
        says += f" Query: {', '.join(asked)}."
    return f"| `{method.upper()} {path}` | {operation.get('x-required-scope', '–')} | {says} |"


def _shape(name: str, shape: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n{shape.get('description', '')}\n\n| member | type | says |\n|---|---|---|"
    for member, one in shape.get("properties", {}).items():
        needed = "" if member in shape.get("required", ()) else ", optional"
        yield f"| `{member}` | {_kind(one)}{needed} | {' '.join(one.get('description', '').split())} |"
    yield ""


def _kind(shape: Mapping[str, Any]) -> str:
    if "anyOf" in shape:
        return " or ".join(_kind(one) for one in shape["anyOf"])
    if "enum" in shape:
        return ", ".join(f"`{one}`" for one in shape["enum"])
    return str(shape.get("type", "anything"))


def metrics_as_markdown(families: Iterable[Metric]) -> str:
    """Return what is measured as a page for people."""
    rows = [_METRICS_HEAD]
    for family in sorted(families, key=lambda one: one.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in _labels(family)) or "–"
        rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows) + "\n"


_METRICS_HEAD = """\
# Metrics

<!-- Written by `python -m devops_agent.web.docs`; edit `src/devops_agent/web/metrics.py` instead. -->

`GET /metrics` exposes these to Prometheus, without a token unless `web.metrics_open` is false. Counters of
decisions and the two histograms begin with the web process; a histogram has `_bucket`, `_count` and `_sum`.

| metric | type | labels | what it tells |
|---|---|---|---|"""


def _labels(family: Metric) -> tuple[str, ...]:
    from devops_agent.web.metrics import HISTOGRAM_LABELS

    # A family without a sample tells its labels nowhere else.
    named: tuple[str, ...] = getattr(family, "_labelnames", ())
    return HISTOGRAM_LABELS.get(family.name, named)


async def describe_shipped() -> dict[str, Any]:
    """Return the description of the application with the receivers that are shipped."""
    async with _shipped() as app:
        return app.openapi()


async def measured() -> list[Metric]:
    """Return what the application measures."""
    async with _shipped() as app:
        found: list[Metric] = await app.state.meter.families()
        return found


@asynccontextmanager
async def _shipped() -> AsyncIterator[FastAPI]:
    import tempfile

    from devops_agent import __version__
    from devops_agent.config.settings import Settings
    from devops_agent.engine.ground import ground_of
    from devops_agent.registry import Registry
    from devops_agent.store import open_store
    from devops_agent.web.assemble import create_app

    shipped = Registry("receiver", {name: f"devops_agent.plugins.{name}.receiver:{made}" for name, made in _SHIPPED})
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        async with await open_store(f"sqlite:///{folder}/agent.db") as store:
            app = create_app(
                store=store,
                settings=lambda: settings,
                ground=lambda: ground_of(settings, discovered=(), version=__version__),
                receivers={name: shipped.load(name)() for name in shipped.names},
                runbooks=list,
                actions=dict,
                clock=_Clock(),
                version=__version__,
            )
            yield app


_SHIPPED = (
    ("alertmanager", "AlertmanagerReceiver"),
    ("grafana", "GrafanaReceiver"),
    ("generic", "GenericReceiver"),
)


class _Clock:
    """A clock that nobody looks at."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


if __name__ == "__main__":
    import asyncio

    _PAGE.write_text(as_markdown(asyncio.run(describe_shipped())), encoding="utf-8")
    _METRICS.write_text(metrics_as_markdown(asyncio.run(measured())), encoding="utf-8")
