"""Messages: what people are told beside the notice, and which links they are offered."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as searching
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, AlertStatus, Severity
from devops_agent.model.decision import Answer
from devops_agent.model.diagnosis import Hypothesis
from devops_agent.model.insight import Insight
from devops_agent.model.notice import Delivery, Message, Notice, Receipt
from devops_agent.store import Store, alerts, approvals, incidents, insights, open_store
from devops_agent.store.rows import Rows
from devops_agent.workers.messages import known, leads_to_a_page, message_of
from tests.effort import examples

PAGE = "https://agent.example.com"
DELIVERY = Delivery(notice=1, channel="chat", thread="INC-1", not_before=START, created_at=START)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as opened:
        yield opened


def notice(kind: str = "escalated", **message: object) -> Notice:
    said = {"title": "INC-1 api: is down", "says": "it did not help", "next_steps": ["look"], **message}
    return Notice(
        id=1, key="k", incident="INC-1", kind=kind, severity=Severity.CRITICAL, message=said, created_at=START
    )


def fill(rows: Rows, *labels: dict[str, str], query: str = "", runbook: str = "") -> None:
    """Write an incident, with one alert for each set of labels."""
    incidents.open_(
        rows, target="api", cause_group="down", kind="down", severity=Severity.CRITICAL, title="is down", now=START
    )
    told = [
        Alert(
            fingerprint=str(number),
            status=AlertStatus.FIRING,
            labels={"alertname": "Down", "service": "api", **one},
            annotations={"runbook_url": runbook},
            starts_at=START,
            source="alertmanager",
            generator_url=query,
        )
        for number, one in enumerate(labels)
    ]
    alerts.keep(rows, told, target="api", incident="INC-1", now=START)


async def made(store: Store, told: Notice, *, page: str = PAGE, now: datetime = START) -> Message:
    beside = await store.read(lambda rows: known(rows, told, now=now))
    return message_of(told, DELIVERY, beside, page=page)


async def test_a_message_says_what_the_notice_says_and_links_to_where_people_go_on(store: Store) -> None:
    await store.write(lambda rows: fill(rows, {}, query="http://prometheus/graph?g0.expr=up", runbook="https://wiki/1"))
    told = await made(store, notice())
    assert (told.key, told.thread, told.kind, told.severity) == ("k/chat/", "INC-1", "escalated", Severity.CRITICAL)
    assert (told.title, told.says, told.next_steps) == ("INC-1 api: is down", "it did not help", ("look",))
    assert (told.target, told.at, told.closes, told.question) == ("api", START, False, None)
    assert told.links == {
        "incident": f"{PAGE}/incidents/INC-1",
        "acknowledge": f"{PAGE}/incidents/INC-1#acknowledge",
        "mute": f"{PAGE}/incidents/INC-1#mute",
        "silence": f"{PAGE}/silences?matchers=alertname%3DDown%2C%20service%3Dapi",
        "query": "http://prometheus/graph?g0.expr=up",
        "runbook": "https://wiki/1",
    }
    assert told.facts == {"alerts": "1 firing of 1"}


async def test_what_is_over_is_offered_to_nobody_for_taking_or_muting(store: Store) -> None:
    await store.write(lambda rows: fill(rows, {}))
    told = await made(store, notice().with_(kind="resolved"))
    assert (told.closes, told.links) == (True, {"incident": f"{PAGE}/incidents/INC-1"})


async def test_only_labels_that_all_alerts_share_are_offered_for_a_silence(store: Store) -> None:
    await store.write(lambda rows: fill(rows, {"instance": "a"}, {"instance": "b", "alertname": "Slow"}))
    assert (await made(store, notice())).links["silence"] == f"{PAGE}/silences?matchers=service%3Dapi"


async def test_without_alerts_the_target_is_offered_for_a_silence(store: Store) -> None:
    await store.write(fill)
    assert (await made(store, notice())).links["silence"] == f"{PAGE}/silences?matchers=target%3Dapi"


async def test_links_that_alerts_bring_are_offered_only_when_they_lead_to_a_page(store: Store) -> None:
    await store.write(lambda rows: fill(rows, {}, query="javascript:alert(1)", runbook="file:///etc/passwd"))
    assert {"query", "runbook"}.isdisjoint((await made(store, notice())).links)


async def test_without_a_page_that_can_be_reached_there_are_no_links_to_it(store: Store) -> None:
    await store.write(lambda rows: fill(rows, {}, query="http://prometheus/graph"))
    told = await made(store, notice(links={"incident": "/incidents/INC-1"}), page="")
    assert told.links == {"query": "http://prometheus/graph"}


async def test_the_likeliest_cause_is_told_with_how_sure_we_are(store: Store) -> None:
    causes = tuple(Hypothesis(kind="disk", says=f"cause {n}", confidence=n / 10) for n in (3, 9, 1))
    advised = (Hypothesis(kind="disk", says="a model's", confidence=1.0),)
    insight = Insight(incident="INC-1", at=START, hypotheses=causes, advised=advised)

    def write(rows: Rows) -> None:
        fill(rows)
        insights.keep(rows, insight)

    await store.write(write)
    assert (await made(store, notice())).facts == {"cause": "cause 9", "confidence": "90%"}


@pytest.mark.parametrize(
    ("kind", "after", "answer", "asked"),
    [
        ("approval", 0, None, True),
        ("climbed", 0, None, True),
        ("reminder", 0, None, True),
        ("healed", 0, None, False),
        ("approval", 61, None, False),
        ("approval", 0, Answer.APPROVED, False),
    ],
)
async def test_a_question_comes_with_what_asks_for_people_as_long_as_it_can_be_answered(
    store: Store, kind: str, after: int, answer: Answer | None, *, asked: bool
) -> None:
    def write(rows: Rows) -> None:
        fill(rows)
        expiry = START + timedelta(minutes=60)
        approvals.ask(rows, incident="INC-1", digest="d" * 64, summary="restart api", now=START, expires_at=expiry)
        if answer is not None:
            approvals.answer(rows, "APR-1", answer, by="alice", comment="", now=START)

    await store.write(write)
    told = await made(store, notice(kind), now=START + timedelta(minutes=after))
    assert (told.question is not None) is asked
    assert ("approve" in told.links) is asked
    if told.question is not None:
        assert (told.question.approval, told.question.digest, told.question.summary) == (
            "APR-1",
            "d" * 64,
            "restart api",
        )


async def test_the_end_of_a_story_closes_its_thread(store: Store) -> None:
    await store.write(fill)
    assert (await made(store, notice("healed"))).closes
    assert not (await made(store, notice("acted"))).closes


async def test_a_notice_about_no_incident_is_told_as_it_is(store: Store) -> None:
    told = notice("report", body_text="# Week", body_html="<h1>Week</h1>", lines=["a", "b"], facts={"healed": 3})
    beside = await store.read(lambda rows: known(rows, told.with_(incident=""), now=START))
    message = message_of(told, DELIVERY.with_(thread="", person="alice"), beside, page=PAGE, earlier=Receipt(id="1"))
    assert (message.body_text, message.body_html, message.lines) == ("# Week", "<h1>Week</h1>", ("a", "b"))
    assert (message.facts, message.person, message.earlier) == ({"healed": "3"}, "alice", Receipt(id="1"))
    assert message.key == "k/chat/alice"


async def test_very_long_texts_are_cut(store: Store) -> None:
    long = "x" * 1_000_000
    told = await made(store, notice(title=long, says=long, next_steps=[long] * 1_000, lines=[long] * 1_000))
    assert sum(map(len, (told.title, told.says, *told.next_steps, *told.lines))) < 100_000


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "ftp://host/file",
        "http://",
        "http:///path",
        "http://[::1",
        "https://host/a b",
        "https://host/\n",
        'https://host/"onclick=x',
        "https://host/<script>",
        "https://host\\@evil.example",
        "https://host/\u202egpj.exe",
        "https://host/" + "a" * 2_000,
    ],
)
def test_what_does_not_lead_to_a_page_is_no_link(url: str) -> None:
    assert not leads_to_a_page(url)


@given(st.text(max_size=60) | st.builds("http://{}".format, st.text(max_size=60)))
def test_whatever_a_link_is_made_of_it_is_a_web_page_and_ends_where_it_ends(url: str) -> None:
    if leads_to_a_page(url):
        assert urlsplit(url).scheme in ("http", "https")
        assert url.isprintable()
        assert not any(sign in url for sign in " <>\"'")


@searching(max_examples=examples(100))
@given(
    st.dictionaries(
        st.sampled_from(("title", "says", "next_steps", "links", "facts", "lines", "body_text", "closes", "tell")),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=8,
        ),
    )
)
def test_whatever_a_notice_holds_a_message_is_made_of_it(said: dict[str, object]) -> None:
    told = Notice(id=1, key="k", incident="", kind="x", severity=Severity.INFO, message=said, created_at=START)
    beside = known(None, told, now=START)  # type: ignore[arg-type]  # without an incident nothing is read
    assert message_of(told, DELIVERY, beside, page=PAGE).kind == "x"
