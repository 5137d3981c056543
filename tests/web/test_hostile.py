"""Whatever alerts, logs, names and people say, on every page it stays text."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from devops_agent.model.account import Role
from tests.web import poison, richer, seed
from tests.web.markup import HOSTILE, Checked, check, check_harmless
from tests.web.people import add, browser_of
from tests.web.routes import pages

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.serving import Answer, Running

MARKS = ("<script>alert", "<img", "onerror=alert(1)>")
FILES = (".yaml", "/export", "/openapi.json")
"""Ends of paths that are no pages."""


@pytest.fixture
async def hostile(web: Running) -> Running:
    """A working week in which everybody lies."""
    await add(web, "someone", Role.VIEWER)

    def fill(rows: Rows) -> int:
        seed.fill(rows, web.clock.now())
        richer.deepen(rows, web.clock.now())
        return poison.poison(rows)

    assert await web.store.write(fill, tell=("events",)) > 40
    return web


def strict(answer: Answer) -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"


def harmless(answer: Answer, *, where: object) -> Checked:
    for mark in MARKS:
        assert mark not in answer.text, where
    check_harmless(answer)
    checked = Checked(answer.text)
    for tag, attributes in checked.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (where, tag, name)
            if name in ("href", "src", "action", "formaction"):
                assert (value or "").startswith(("/", "#", "http://", "https://", "?")), (where, tag, value)
    return checked


async def test_on_every_page_what_others_said_is_text(hostile: Running) -> None:
    browser = await browser_of(hostile, "eve", Role.ADMIN)
    shown = 0
    for one in pages(hostile, "GET"):
        answer = await hostile.get(one.path, scope="", headers=browser)
        strict(answer)
        assert answer.status in (200, 403, 404, 422), one
        if answer.status == 200 and not one.path.endswith(FILES):
            shown += HOSTILE.split("'")[0][-20:] in answer.text or "&lt;script&gt;alert" in answer.text
            check(answer)
        if answer.headers["Content-Type"].startswith("text/html"):
            harmless(answer, where=one)
        else:
            assert not answer.headers["Content-Type"].startswith(("image/svg", "application/xhtml", "text/xml")), one
    assert shown >= 8, "or nothing was tried"


ASKED = (
    "/incidents/INC-1", "/incidents/INC-3", "/incidents/INC-4", "/audit?q=alert", "/incidents?target={}",
    "/incidents?status={}", "/audit?q={}", "/audit?actor={}", "/silences?matchers={}", "/targets?q={}",
    "/login?next={}", "/login?token={}", "/login?name={}", "/targets/{}", "/runbooks/{}", "/reports/{}",
    "/reports/daily/{}", "/incidents/{}", "/login/oidc/back?error={}", "/nowhere/{}",
)  # fmt: skip


async def test_what_the_address_says_is_text_too(hostile: Running) -> None:
    browser = await browser_of(hostile, "eve", Role.ADMIN)
    said = (HOSTILE, '"><svg onload=alert(1)>', "javascript:alert(1)", "search" + HOSTILE)
    for path in [one.replace("{}", quote(word, safe="")) for one in ASKED for word in said]:
        hostile.clock.ahead += timedelta(seconds=3)  # else wrong links are slowed down
        answer = await hostile.get(path, scope="", headers=browser)
        strict(answer)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            harmless(answer, where=path)
            assert "<svg onload" not in answer.text
            assert not {"iframe", "object", "embed", "base"} & {tag for tag, _ in Checked(answer.text).tags}
