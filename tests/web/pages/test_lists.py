"""Inbox of approvals, lists of incidents and events: what is found, how it is paged, how an answer is given."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.alert import Severity
from devops_agent.store import approvals, events, incidents
from tests.web.markup import HOSTILE, check, check_harmless

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.pages.conftest import Browser


async def test_the_inbox_tells_what_is_asked_why_and_for_how_long(operator: Browser) -> None:
    answer = await operator.get("/approvals")
    check(answer)
    for told in ("APR-1", "host.clean is risky: a person has to agree", "remove old caches", " left</b>", "1 waiting"):
        assert told in answer.text


async def test_a_plan_has_to_be_opened_before_it_can_be_approved(operator: Browser) -> None:
    inbox = (await operator.get("/approvals")).text
    assert re.search(r'<details class="card ask" id="APR-1">', inbox)
    incident = (await operator.get("/incidents/INC-2")).text
    assert re.search(r'<details class="card ask" id="APR-1" open>', incident)


async def test_an_answer_moves_on_to_what_was_answered_lately(operator: Browser) -> None:
    fields = dict(re.findall(r'name="(digest)" value="(\w+)"', (await operator.get("/approvals")).text))
    answer = await operator.post("/approvals/APR-1", **fields, answer="denied", comment="not <i>now</i>")
    assert answer.status == 303
    text = (await operator.get("/approvals")).text
    assert "Nothing waits for you." in text
    assert "not &lt;i&gt;now&lt;/i&gt;" in text
    again = await operator.post("/approvals/APR-1", **fields, answer="approved")
    assert again.status == 409
    assert "APR-1 cannot be answered: it is denied (by page:operate)" in again.text


async def test_a_plan_that_has_changed_is_refused_in_plain_words(operator: Browser) -> None:
    answer = await operator.post("/approvals/APR-1", digest="0" * 16, answer="approved")
    assert answer.status == 409
    assert "The plan has changed since you looked at it, so nothing was answered" in answer.text


async def test_a_question_whose_time_is_over_waits_for_nobody(operator: Browser) -> None:
    operator.web.clock.ahead = timedelta(hours=2)
    assert "Nothing waits for you." in (await operator.get("/approvals")).text
    asked = await operator.web.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    assert asked.answer.value == "pending", "looking changes nothing"


async def test_who_may_only_read_sees_the_plan_and_no_buttons(reader: Browser) -> None:
    text = (await reader.get("/approvals")).text
    assert "remove old caches" in text
    assert "Approve" not in text.split('id="list"')[1].split("</main>")[0].replace("Approvals", "")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=unresolved", {"INC-2", "INC-3", "INC-4"}),
        ("severity=warning", {"INC-2"}),
        ("text=DISK", {"INC-2"}),
        ("target=ledger&kind=unreachable", {"INC-3"}),
        ("until=2020-01-01", set()),
        ("since=2020-01-01T00:00", {"INC-1", "INC-2", "INC-3", "INC-4"}),
    ],
)
async def test_incidents_are_narrowed_by_what_people_remember(operator: Browser, query: str, found: set[str]) -> None:
    answer = await operator.get(f"/incidents?{query}")
    check(answer)
    assert set(re.findall(r'href="/incidents/(INC-\d+)"', answer.text.split('id="list"')[1])) == found


async def test_a_narrowed_list_keeps_being_narrowed_on_its_further_pages(operator: Browser) -> None:
    def fill(rows: Rows) -> None:
        for number in range(90):
            incidents.open_(
                rows, target="many", cause_group=f"g{number}", kind="down", severity=Severity.INFO,
                title=f"many {number}", now=operator.web.clock.now(),
            )  # fmt: skip

    await operator.web.store.write(fill)
    first = (await operator.get("/incidents?text=many&severity=info")).text
    assert 'all <span class="count">90</span>' in first
    older = re.search(r'rel="next" href="([^"]*)"', first)
    assert older
    second = (await operator.get(older[1].replace("&amp;", "&"))).text
    assert "many 49<" in second
    assert "many 50<" not in second
    assert "severity=info" in second.split('class="pager"')[1]


async def test_a_date_that_is_none_is_told_as_a_page(operator: Browser) -> None:
    answer = await operator.get("/incidents?since=yesterday")
    assert answer.status == 422
    assert "is no date; write 2026-05-03" in answer.text


async def test_the_record_is_searched_and_taken_along(admin: Browser) -> None:
    def tell(rows: Rows) -> None:
        events.add(rows, "flag", "ada switched it", at=admin.web.clock.now(), actor="cli:ada", from_address="192.0.2.7")

    await admin.web.store.write(tell)
    answer = await admin.get("/audit?actor=cli:ada&text=SWITCHED")
    check(answer)
    table = answer.text.split("<tbody>")[1]
    assert "ada switched it" in table
    assert "192.0.2.7" in table
    assert "looks into it" not in table
    taken = await admin.get("/audit/export?actor=cli:ada")
    (line,) = taken.text.splitlines()
    assert json.loads(line)["says"] == "ada switched it"
    assert taken.headers["Content-Disposition"].startswith("attachment")
    every = (await admin.get("/audit/export")).text.splitlines()
    assert len(every) > 15
    assert "Intact." in (await admin.get("/audit?verify=1")).text


async def test_a_long_chain_is_proven_in_parts_that_each_show_how_far_it_is(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(rows: Rows) -> None:
        for number in range(4_500):
            events.add(rows, "step", f"did {number}", at=admin.web.clock.now())

    await admin.web.store.write(tell)
    monkeypatch.setattr("devops_agent.web.pages.audit._PROVEN_AT_ONCE", 2_000)
    path, shown = "/audit?verify=1", []
    while path:
        text = (await admin.get(path)).text
        shown.append(text.split('role="status"><b>')[1].split("</b>")[0])
        onward = re.search(r'href="([^"]*)">Go on</a>', text)
        path = onward[1].replace("&amp;", "&") if onward else ""
    assert shown == ["Right so far.", "Right so far.", "Intact."]


async def test_a_record_that_was_changed_is_found_out(admin: Browser) -> None:
    def forge(rows: Rows) -> None:
        rows.run("UPDATE events SET says = 'nothing happened' WHERE seq = 5")

    await admin.web.store.write(forge)
    text = (await admin.get("/audit?verify=1")).text
    assert "<b>Broken.</b> Event 5 is not what was written." in text


@pytest.mark.parametrize("path", ["/incidents", "/audit"])
@pytest.mark.parametrize("name", ["text", "target", "kind", "since"])
async def test_what_is_searched_for_is_only_text(operator: Browser, path: str, name: str) -> None:
    answer = await operator.web.client.get(
        operator.web.url + path, params={name: HOSTILE[:250]}, headers=operator.headers
    )
    text = await answer.text()
    assert "<script>alert" not in text
    assert answer.status in (200, 422)


async def test_hostile_titles_and_comments_are_only_text(operator: Browser) -> None:
    def fill(rows: Rows) -> None:
        now = operator.web.clock.now()
        incidents.open_(
            rows, target=HOSTILE, cause_group="g", kind=HOSTILE, severity=Severity.INFO, title=HOSTILE, now=now
        )  # fmt: skip
        approvals.ask(
            rows, incident="INC-5", digest=HOSTILE, summary=HOSTILE, now=now, expires_at=now + timedelta(hours=1)
        )  # fmt: skip
        events.add(rows, HOSTILE, HOSTILE, at=now, actor=HOSTILE, incident="INC-5")

    await operator.web.store.write(fill)
    for path in ("/incidents", "/approvals", "/audit", "/incidents/INC-5"):
        answer = await operator.get(path)
        check(answer)
        check_harmless(answer)
