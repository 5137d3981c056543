"""The page of an incident, as a browser gets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.settings import Settings
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person
from devops_agent.model.evidence import Evidence
from devops_agent.model.notice import Delivery, Notice, Receipt
from devops_agent.model.prediction import Prediction
from devops_agent.store import deliveries, escalations, events, evidence, learning, mutes, outbox
from devops_agent.web.pages.incident import excerpt
from tests.web.markup import HOSTILE, check, check_harmless
from tests.web.serving import SETTINGS

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.pages.conftest import Browser


async def test_the_story_comes_first_in_plain_words(operator: Browser) -> None:
    text = (await operator.get("/incidents/INC-3")).text
    assert "The likeliest cause is that ledger cannot be reached from here: no name server answers" in text
    assert "It needs you: Names cannot be resolved on this machine" in text
    assert text.index("The likeliest cause") < text.index("<h2>Timeline</h2>")


async def test_evidence_is_drawn_quoted_and_listed_and_can_be_cited(operator: Browser) -> None:
    page = check(await operator.get("/incidents/INC-3"))
    ids = {attributes.get("id") for _, attributes in page.tags}
    cited = {(a.get("href") or "")[1:] for tag, a in page.tags if tag == "a" and a.get("class") == "cite"}
    assert cited
    assert cited <= ids
    text = (await operator.get("/incidents/INC-3")).text
    assert "<mark>ConnectionError: Name or service not known</mark>" in text
    assert "<mark>12:00:07 WARN retrying in 4 s</mark>" in text
    assert 'aria-label="latency_ms of ledger: ' in text
    assert "Numbers and query" in text


async def test_a_long_timeline_shows_its_end_and_leads_to_what_was_before(operator: Browser) -> None:
    def tell(rows: Rows) -> None:
        for number in range(450):
            events.add(rows, "step", f"did {number}.", at=datetime.now(UTC), incident="INC-4", target="payments")

    await operator.web.store.write(tell)
    text = (await operator.get("/incidents/INC-4")).text
    assert "did 449." in text
    assert "did 249." not in text
    assert 'step <span class="count">450</span>' in text
    earlier = text.split("Earlier events")[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    before = (await operator.get(earlier.partition("#")[0])).text
    assert "did 249." in before
    assert "did 449." not in before
    assert "To the newest events" in before


async def test_a_timeline_can_be_narrowed_to_one_kind(operator: Browser) -> None:
    timeline = (await operator.get("/incidents/INC-1?kind=step")).text.split('id="story"')[1].split("</section>")[0]
    assert "restarted container checkout-1" in timeline
    assert "looks into it" not in timeline


async def test_incidents_like_it_are_named_with_what_helped_then(operator: Browser) -> None:
    assert "helped then: service-down (docker.restart)" in (await operator.get("/incidents/INC-3")).text
    found = (await operator.get("/incidents/INC-3?similar=1")).text.split('id="like"')[1]
    assert "INC-1" in found
    assert "1.00" in found


async def test_feedback_counts_at_once_and_is_shown(operator: Browser) -> None:
    made = Prediction(
        incident="INC-3", target="ledger", source="rules", kind="unreachable", raw=0.9, published=0.86,
        at=operator.web.clock.now(),
    )  # fmt: skip
    await operator.web.store.write(lambda rows: learning.predict(rows, made))
    answer = await operator.post("/incidents/INC-3/feedback", diagnosis="right", comment="the resolver <b>was</b> down")
    assert answer.status == 303
    text = (await operator.get("/incidents/INC-3")).text
    assert "page:operate: the diagnosis unreachable was right — the resolver &lt;b&gt;was&lt;/b&gt; down" in text


@pytest.mark.parametrize(
    ("fields", "status"), [({}, 409), ({"diagnosis": "perhaps"}, 422), ({"kind": "nonsense"}, 409)]
)
async def test_feedback_that_says_nothing_is_refused_as_a_page(
    operator: Browser, fields: dict[str, str], status: int
) -> None:
    answer = await operator.post("/incidents/INC-3/feedback", **fields)
    assert answer.status == status
    assert "Go back" in answer.text


def with_people(operator: Browser) -> None:
    people = (Person(name="ada", channels=("chat",)), Person(name="bob", channels=("chat",)))
    notify = Notify(channels=(Channel(name="chat", via="webhook"),), people=people)
    operator.web.settings.append(Settings(targets=SETTINGS.targets, web=SETTINGS.web, notify=notify))


async def test_an_incident_is_taken_handed_over_and_muted(operator: Browser) -> None:
    with_people(operator)
    assert (await operator.post("/incidents/INC-3/hand-over", to="bob", comment="his part")).status == 303
    assert "Handed over to bob" in (await operator.get("/incidents/INC-3")).text
    assert (await operator.post("/incidents/INC-3/mute", hours="4", person="ada")).status == 303
    assert "<b>Muted</b> for ada until" in (await operator.get("/incidents/INC-3")).text
    assert (await operator.post("/mutes/MUT-1/end")).status == 303
    assert (await operator.post("/incidents/INC-3/acknowledge")).status == 303
    text = (await operator.get("/incidents/INC-3")).text
    assert "<b>page:operate has taken it.</b>" in text
    assert "I take it" not in text

    def read(rows: Rows) -> tuple[str, int]:
        last = escalations.latest(rows, "INC-3")
        assert last
        return last.state.value, len(mutes.holding(rows, now=operator.web.clock.now()))

    assert await operator.web.store.read(read) == ("acknowledged", 0)


async def test_nothing_is_handed_over_to_strangers(operator: Browser) -> None:
    with_people(operator)
    answer = await operator.post("/incidents/INC-3/hand-over", to="mallory")
    assert answer.status == 404
    assert "known: ada, bob" in answer.text


async def test_who_was_told_when_and_how_it_went(operator: Browser) -> None:
    now = operator.web.clock.now()

    def tell(rows: Rows) -> None:
        for key in ("INC-3/a", "INC-3/b"):
            message = {"title": "t", "says": "ledger needs you"}
            notice = Notice(
                key=key, incident="INC-3", kind="escalated", severity=Severity.CRITICAL, message=message, created_at=now
            )  # fmt: skip
            outbox.put(rows, notice)
        first, second = outbox.of_incident(rows, "INC-3")
        outbox.mark_routed(rows, [second.id], now=now)
        sent = Delivery(notice=first.id, channel="chat", person="ada", not_before=now, created_at=now)
        deliveries.plan(rows, [sent])
        due = deliveries.due(rows, "chat", now=now + timedelta(seconds=1), limit=1)
        (sending,) = deliveries.begin(rows, due)
        deliveries.end(rows, sending, now=now, receipt=Receipt())

    await operator.web.store.write(tell)
    told = (await operator.get("/incidents/INC-3")).text.split('id="told"')[1]
    assert "ada by chat" in told
    assert '<span class="pill t-sent">sent</span>' in told
    assert "nobody: no route led to a channel" in told


async def test_alerts_of_the_incident_lead_to_the_form_that_silences_them(operator: Browser) -> None:
    text = (await operator.get("/incidents/INC-2")).text
    path = text.split("Silence its alerts")[0].rpartition('href="')[2].partition('"')[0]
    form = (await operator.get(path)).text
    assert 'value="alertname=Disk_Filling, instance=10.0.0.4:9100, service=search"' in form


async def test_whatever_a_stranger_writes_is_only_text(operator: Browser) -> None:
    now = operator.web.clock.now()
    like = Evidence(
        source=HOSTILE, target=HOSTILE, name="log_pattern", query=HOSTILE, value=HOSTILE, at=now, says=HOSTILE
    )
    bad = {"example": HOSTILE, "template": HOSTILE, "exception": HOSTILE, "message": HOSTILE, "file": HOSTILE}

    def tell(rows: Rows) -> None:
        pieces = [
            like.with_(details=bad),
            like.with_(name="stack_trace", details=bad),
            like.with_(name=HOSTILE),
            like.with_(name="reading", unit=HOSTILE, details={"series": HOSTILE}, points=((1.0, 2.0), (2.0, 3.0))),
        ]
        evidence.keep(rows, "INC-3", pieces)
        events.add(rows, HOSTILE, HOSTILE, at=now, incident="INC-3", target=HOSTILE, actor=HOSTILE)
        events.add(rows, "feedback", HOSTILE, at=now, incident="INC-3", actor=HOSTILE)
        message = {"title": HOSTILE, "says": HOSTILE}
        outbox.put(
            rows,
            Notice(
                key=HOSTILE, incident="INC-3", kind=HOSTILE, severity=Severity.INFO, message=message, created_at=now
            ),
        )
        first = outbox.of_incident(rows, "INC-3")[0]
        one = Delivery(
            notice=first.id, channel=HOSTILE, person=HOSTILE, says=HOSTILE, not_before=now, created_at=now
        )  # fmt: skip
        deliveries.plan(rows, [one])

    await operator.web.store.write(tell)
    answer = await operator.get("/incidents/INC-3")
    check(answer)
    check_harmless(answer)
    check_harmless(await operator.get(f"/incidents/INC-3?kind={HOSTILE.replace('&', '%26')[:50]}"))


def test_what_is_no_excerpt_of_a_log_quotes_nothing() -> None:
    assert excerpt(Evidence(source="host", name="log_errors", at=datetime.now(UTC))) == []


async def test_what_holds_everything_back_is_told_here_too(operator: Browser) -> None:
    await operator.post("/pause", target="", reason="month end")
    assert "month end" in (await operator.get("/incidents/INC-3")).text
    await operator.post("/pause", target="ledger", reason="its disk is changed")
    text = (await operator.get("/incidents/INC-3")).text
    assert "<b>ledger is paused</b>" in text
    assert "Pause ledger" not in text
