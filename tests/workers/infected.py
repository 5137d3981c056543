"""An incident whose every text from outside holds an attempt, and secrets beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from devops_agent.kit.testing import START, FakeClock
from devops_agent.kit.testing.reasoner import ScriptedReasoner
from devops_agent.kit.testing.telemetry import FakeChanges, FakeLogs, FakeMetrics
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.workers.gather import Sources
from tests.workers.advising import INCIDENT, SHOP, Inquiry, alert, inquiry, piece
from tests.workers.injections import LEAKS, OWN_SECRET, Obedient

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = Target(name="database")


def sources(text: str) -> Sources:
    """Return sources that hold the attempt wherever they hold text."""
    logs, metrics = FakeLogs(), FakeMetrics()
    for target in ("shop", "database"):
        logs.write(target, *[f"ERROR {text} {LEAKS}"] * 20, at=START - timedelta(minutes=5))
    metrics.add("error_percent", [1.0] * 60, begin=START - timedelta(minutes=14), target="shop", labels={"note": text})
    change = Change(
        target="database", kind=ChangeKind.CONFIG, at=START - timedelta(minutes=1), says=text, before=LEAKS,
        after=text, source="git",
    )  # fmt: skip
    return Sources(metrics=metrics, logs=(("loki", logs),), changes=(("git", FakeChanges([change])),))


async def infected(folder: Path, text: str) -> Inquiry:
    """Return an inquiry in which the attempt stands everywhere, asked of a model that obeys it."""
    whole = f"{text} {LEAKS}"
    sent = text.encode(errors="replace").decode()  # halves of characters are refused where alerts come in
    made = await inquiry(
        folder,
        piece(f"12 lines (new): {whole}", details={"template": whole, "example": whole, "exception": text}),
        piece(text, name=text[:40], source=text[:40], unit=text[:10], value=text),
        targets=(SHOP.with_(depends_on=("database", text)), DATABASE, Target(name=text)),
        incident=INCIDENT.with_(title=whole),
        alerts=(
            alert(
                labels={"container": f"{sent} {LEAKS}", sent[:60]: "label", "db_password": "Canary-Passw0rd-17"},
                annotations={"summary": f"{sent} {LEAKS}", "description": sent, sent[:60]: LEAKS},
            ),
        ),
    )
    made.clock = FakeClock(auto=False)  # what is asked here takes no time
    made.sources = sources(text)
    made.similar = [whole, text]
    made.secrets = (OWN_SECRET,)
    made.reasoner = ScriptedReasoner(turns=(), obeys=Obedient(text), clock=made.clock)
    return made
