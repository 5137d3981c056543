"""What is remembered of earlier incidents and alerts, and what people's own runbooks say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devops_agent.analysis.embedding import HashingEmbedder
from devops_agent.analysis.retrieval import Document, read_markdown
from devops_agent.config.settings import Settings
from devops_agent.engine.ground import ground_of
from devops_agent.engine.receive import receive
from devops_agent.kit.testing import START, FakeClock
from devops_agent.model.alert import Alert, Severity
from devops_agent.ports import PluginError
from devops_agent.store import Store, alerts, incidents, open_store
from devops_agent.workers.embedding import Embedder
from devops_agent.workers.investigate import Scene
from devops_agent.workers.recall import Recall
from tests.engine.site import alert
from tests.workers.investigating import API, DB

QUEUE = read_markdown(
    "# The order queue does not drain\n\nThe queue of orders is stuck and grows.\n\n## Mitigation\n\nCall the brokers.",
    name="order-queue",
)
CERTIFICATE = read_markdown("# A certificate expires\n\nRenew the certificate of the shop.", name="certificate")


def unlabelled(name: str, summary: str, *, severity: str = "", target: str = "api") -> Alert:
    labels = {"alertname": name, "service": target, **({"severity": severity} if severity else {})}
    one = alert(name, target, source="alertmanager")
    return one.with_(labels=labels, annotations={"summary": summary}, fingerprint=f"{name}-{severity}")


@asynccontextmanager
async def store(tmp_path: Path, *firing: Alert) -> AsyncIterator[Store]:
    ground = ground_of(Settings(targets=(API, DB)), discovered=(), version="test")
    async with await open_store(f"sqlite:///{tmp_path / 'agent.db'}") as opened:
        await opened.write(lambda rows: receive(rows, firing, ground=ground, now=START))
        yield opened


def broken() -> Embedder:
    raise PluginError("cannot embed: nobody answers")


def recall(store: Store, *documents: Document, broken_embedder: bool = False) -> Recall:
    return Recall(
        store=store,
        clock=FakeClock(),
        embedder=broken if broken_embedder else HashingEmbedder,
        documents=lambda: documents,
    )


async def scene(store: Store, *firing: Alert) -> Scene:
    incident = await store.read(lambda rows: incidents.get(rows, "INC-1"))
    assert incident is not None
    return Scene(incident=incident, firing=firing, targets=(API, DB), sightings={})


async def test_a_runbook_of_the_users_own_is_advice_when_it_fits_the_alert(tmp_path: Path) -> None:
    stuck = unlabelled("OrderQueueStuck", "the queue of orders does not drain", severity="warning")
    async with store(tmp_path, stuck) as opened:
        _, advice = await recall(opened, QUEUE, CERTIFICATE).like(await scene(opened, stuck))
        assert len(advice) == 1
        assert "The order queue does not drain" in advice[0]


async def test_a_runbook_about_something_else_is_no_advice(tmp_path: Path) -> None:
    other = unlabelled("GpuTooHot", "temperature of a graphics card", severity="warning")
    async with store(tmp_path, other) as opened:
        assert await recall(opened, QUEUE, CERTIFICATE).like(await scene(opened, other)) == ((), ())


async def test_without_an_embedding_the_runbooks_still_count(tmp_path: Path) -> None:
    stuck = unlabelled("OrderQueueStuck", "the queue of orders does not drain")
    async with store(tmp_path, stuck) as opened:
        found = await recall(opened, QUEUE, broken_embedder=True).like(await scene(opened, stuck))
        assert (found[0], len(found[1])) == ((), 1)


@pytest.mark.parametrize(
    ("firing", "severity"),
    [
        ([unlabelled("DatabaseDown", "the database is down, all requests fail")], Severity.CRITICAL),
        ([unlabelled("DatabaseDown", "down", severity="info")], None),
        ([unlabelled("Xyzzy", "plugh")], Severity.WARNING),
        ([], None),
    ],
)
async def test_severity_is_taken_from_words_only_where_no_alert_carries_one(
    tmp_path: Path, firing: Sequence[Alert], severity: Severity | None
) -> None:
    async with store(tmp_path, *firing) as opened:
        assert await recall(opened).severity(firing) is severity


async def test_examples_are_the_newest_alert_of_each_rule_from_outside(tmp_path: Path) -> None:
    old, new = unlabelled("A", "x", severity="info"), unlabelled("A", "y", severity="critical", target="db")
    ours = alert("ServiceDown", source="poller")
    ground = ground_of(Settings(targets=(API, DB)), discovered=(), version="test")
    async with store(tmp_path, old, ours) as opened:
        later = START.replace(minute=5)
        await opened.write(lambda rows: receive(rows, [new], ground=ground, now=later))
        found = await opened.read(lambda rows: alerts.newest_of_each_name(rows, besides=("poller",)))
        assert [(one.name, one.summary) for one in found] == [("A", "y")]
