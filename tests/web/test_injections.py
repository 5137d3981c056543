"""Whatever stands in telemetry, or in what a model says of it, is shown as text and does nothing on a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devops_agent.model.alert import Alert, AlertStatus, fingerprint
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.evidence import Evidence
from devops_agent.model.insight import Insight
from devops_agent.store import alerts, events, evidence, insights
from tests.web import seed
from tests.web.markup import Checked
from tests.workers.injections import ATTEMPTS

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.store.rows import Rows
    from tests.web.serving import Running

TEXTS = [text.encode(errors="replace").decode() for text in ATTEMPTS.values()]


def infect(rows: Rows, now: datetime) -> None:
    """Put every attempt where an incident's page shows texts from outside."""
    said = [
        Hypothesis(
            kind="down", says=text, confidence=0.5, evidence=("EV-1",), component=text, refuted_by=text, source=text,
            runbook=text,
        )
        for text in TEXTS
    ]  # fmt: skip
    pieces = [
        Evidence(source=text, target=text, name=text, value=text, at=now, says=text, query=text, details={"line": text})
        for text in TEXTS
    ]
    evidence.keep(rows, "INC-1", pieces)
    insights.keep(
        rows,
        Insight(
            incident="INC-1", at=now, hypotheses=tuple(said), advised=tuple(said), says=TEXTS[0], model=TEXTS[1],
            missing=tuple(TEXTS), advice=tuple(TEXTS),
        ),
    )  # fmt: skip
    for text in TEXTS:
        labels = {"alertname": text, "service": "checkout", text: text}
        hostile = Alert(
            fingerprint=fingerprint(labels), status=AlertStatus.FIRING, labels=labels, starts_at=now, source="generic",
            annotations={"summary": text, text: text}, generator_url=text,
        )  # fmt: skip
        alerts.keep(rows, [hostile], target="checkout", incident="INC-1", now=now)
        events.add(rows, "advice", text, at=now, incident="INC-1", target="checkout", actor=text, model=text)


async def test_no_attempt_does_anything_on_an_incidents_page(web: Running) -> None:
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    browser = await web.log_in()
    clean = Checked((await web.get("/incidents/INC-1", scope="", headers=browser)).text)
    await web.store.write(lambda rows: infect(rows, web.clock.now()), tell=("events",))
    answer = await web.get("/incidents/INC-1", scope="", headers=browser)
    assert answer.status == 200
    page = Checked(answer.text)
    assert page.unbalanced == []
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in clean.tags} | {
        "p",
        "li",
        "ul",
        "details",
        "summary",
        "b",
        "meter",
    }
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("srcdoc", "style") for name in attributes), (tag, attributes)
        for name in ("href", "src", "action"):
            target = attributes.get(name)
            assert target is None or re.match(r"(/(?!/)|#|\?|$)", target), (tag, target)
