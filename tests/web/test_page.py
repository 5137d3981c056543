"""The page, as a browser gets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devops_agent import web as web_package
from devops_agent.store import approvals, controls, incidents
from tests.web import seed
from tests.web.markup import HOSTILE, check, check_harmless
from tests.web.serving import Running

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

PAGES = (
    "/", "/incidents", "/incidents?status=escalated", "/incidents/INC-1", "/incidents/INC-2", "/incidents/INC-3",
    "/targets", "/targets/search", "/silences", "/runbooks", "/audit", "/audit?verify=1", "/login", "/docs",
)  # fmt: skip


@pytest.fixture
async def full(web: Running) -> Running:
    """A store that looks like a working week."""
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    return web


async def test_every_page_is_whole_and_needs_nothing_from_elsewhere(full: Running) -> None:
    browser = await full.log_in()
    for path in PAGES:
        check(await full.get(path, scope="", headers=browser))


async def test_an_empty_store_has_pages_too(web: Running) -> None:
    browser = await web.log_in()
    for path in PAGES:
        answer = await web.get(path, scope="", headers=browser)
        assert answer.status == (404 if re.search(r"INC-\d|targets/", path) else 200), path


async def test_who_mistypes_an_address_gets_a_page_and_a_program_a_problem(web: Running) -> None:
    for headers in (await web.log_in(), {"Accept": "text/html"}):
        shown = await web.get("/nowhere", scope="", headers=headers)
        assert (shown.status, "there is nothing at /nowhere" in shown.text) == (404, True)
        assert '<a class="brand" href="/"' in shown.text
    for path, accept in (("/nowhere", "application/json"), ("/api/v1/nowhere", "text/html")):
        told = await web.get(path, scope="", headers={"Accept": accept})
        assert (told.status, told.json()["title"]) == (404, "Not Found")


async def test_hostile_texts_stay_texts_everywhere(web: Running) -> None:
    alert = {"name": HOSTILE, "target": HOSTILE, "summary": HOSTILE, "labels": {HOSTILE: HOSTILE}, "url": HOSTILE}
    alert["annotations"] = {"runbook_url": "javascript:alert(1)"}
    assert (await web.post("/webhook/generic", alert, scope="alerts")).status == 202
    await web.post("/api/v1/pauses", {"reason": HOSTILE})
    await web.post("/api/v1/silences", {"matchers": {HOSTILE: HOSTILE}, "comment": HOSTILE, "hours": 1})
    browser = await web.log_in()
    for path in (
        "/",
        "/incidents",
        "/incidents/INC-1",
        "/silences",
        "/audit",
        f"/login?next={HOSTILE}",
        f"/targets/{HOSTILE}",
    ):
        check_harmless(await web.get(path, scope="", headers=browser))


async def test_what_waits_for_a_person_can_be_answered_on_the_page(full: Running) -> None:
    browser = await full.log_in()
    text = (await full.get("/", scope="", headers=browser)).text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text.split('id="APR-1"')[1]))
    data = {**fields, "comment": "go", "answer": "approved"}
    answer = await full.post("/approvals/APR-1", data=data, headers={**browser, "Referer": f"{full.url}/"}, scope="")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    asked = await full.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    assert (asked.answer.value, asked.by, asked.comment) == ("approved", "page:operate", "go")


async def test_a_changed_plan_is_not_answered(full: Running) -> None:
    browser = await full.log_in()
    data = {"form_key": await form_key(full, browser), "digest": "0" * 16, "answer": "approved"}
    answer = await full.post("/approvals/APR-1", data=data, headers=browser, scope="")
    assert answer.status == 409
    assert "another plan" in answer.text


async def form_key(web: Running, browser: dict[str, str]) -> str:
    found = re.search(r'name="form_key" value="(\w+)"', (await web.get("/", scope="", headers=browser)).text)
    assert found
    return found.group(1)


@pytest.mark.parametrize(
    ("path", "data", "there"),
    [
        ("/pause", {"target": "", "reason": "deployment", "hours": "4"}, "/"),
        ("/resume", {"target": "reports"}, "/"),
        ("/targets/checkout/restart", {"reason": "new certificate"}, "/incidents/INC-5"),
        ("/incidents/INC-3/guide", {"runbook": "service-down"}, "/"),
        ("/incidents/INC-3/resolve", {"comment": "DNS"}, "/"),
        ("/silences", {"matchers": 'alertname=X*, service="a"', "comment": "known", "hours": "1"}, "/"),
        ("/silences/SIL-1/end", {}, "/"),
    ],
)
async def test_every_order_of_the_page_is_carried_out(
    full: Running, path: str, data: dict[str, str], there: str
) -> None:
    browser = await full.log_in()
    answer = await full.post(path, data={**data, "form_key": await form_key(full, browser)}, headers=browser, scope="")
    assert (answer.status, answer.headers.get("Location")) == (303, there), answer.text


async def test_what_the_orders_wrote_is_in_the_rows(full: Running) -> None:
    browser = await full.log_in()
    key = {"form_key": await form_key(full, browser)}
    await full.post("/silences", data={**key, "matchers": "a=b*,c=d", "comment": "x"}, headers=browser, scope="")
    await full.post("/pause", data={**key, "reason": "x"}, headers=browser, scope="")
    await full.post("/incidents/INC-3/resolve", data={**key, "comment": "DNS"}, headers=browser, scope="")

    def read(rows: Rows) -> tuple[dict[str, str], list[str], str]:
        now = full.clock.now()
        found = incidents.get(rows, "INC-3")
        assert found
        return (
            controls.silences(rows, now=now)[-1].matchers,
            [pause.by for pause in controls.pauses(rows, now=now)],
            found.reason,
        )

    assert await full.store.read(read) == (
        {"a": "b*", "c": "d"},
        ["cli:ada", "page:operate"],
        "closed by page:operate: DNS",
    )


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/pause", {"reason": ""}, 422),
        ("/pause", {"reason": "x", "hours": "soon"}, 422),
        ("/pause", {"reason": "x", "hours": "1e9"}, 422),
        ("/resume", {"target": "checkout"}, 409),
        ("/silences", {"matchers": "everything", "comment": "x"}, 422),
        ("/silences", {"matchers": "", "comment": "x"}, 409),
        ("/silences/SIL-9/end", {}, 404),
        ("/incidents/INC-3/guide", {"runbook": "none"}, 404),
        ("/incidents/INC-9/resolve", {}, 404),
        ("/targets/nobody/restart", {}, 404),
        ("/approvals/APR-1", {"answer": "perhaps"}, 422),
    ],
)
async def test_an_order_that_cannot_be_is_told_as_a_page(
    full: Running, path: str, data: dict[str, str], status: int
) -> None:
    browser = await full.log_in()
    answer = await full.post(path, data={**data, "form_key": await form_key(full, browser)}, headers=browser, scope="")
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Go back" in answer.text


async def test_who_may_only_read_sees_no_buttons(full: Running) -> None:
    text = (await full.get("/", scope="", headers=await full.log_in("read"))).text
    assert "Approve" not in text
    assert "Pause everything" not in text
    assert "INC-2" in text


async def test_warnings_cannot_be_overlooked(web: Running) -> None:
    browser = await web.log_in()
    assert "The agent has never been seen" in (await web.get("/", scope="", headers=browser)).text
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
    web.clock.ahead = web.clock.ahead.__class__(minutes=5)
    assert "The agent is silent" in (await web.get("/", scope="", headers=browser)).text
    await web.post("/api/v1/pauses", {"reason": "deployment"})
    await web.ask("PUT", "/api/v1/flags/AUTO_REMEDIATION_ENABLED", scope="admin", json={"value": False})
    text = (await web.get("/incidents", scope="", headers=browser)).text
    assert "deployment" in text
    assert "Monitoring only" in text


async def test_the_page_is_small(full: Running) -> None:
    folder = Path(web_package.__file__).parent / "static"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 60_000
    browser = await full.log_in()
    assert len((await full.get("/", scope="", headers=browser)).body) < 60_000
