"""What is sent to break the web role itself: paths, headers, sizes, and ways to other sites."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.account import Role
from devops_agent.store import approvals, events
from devops_agent.web.pages.shell import safe
from tests.web import seed
from tests.web.people import PASSWORD, add, browser_of, form_key, page, sign_in, submit
from tests.web.serving import SECRETS, Running

if TYPE_CHECKING:
    from devops_agent.model.event import Event

ELSEWHERE = [
    "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "evil.example",
    "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", "\t//evil.example", " //evil.example",
    "javascript:alert(1)", "http:evil.example", "https:/evil.example", "/..//evil.example\\", "/\u2028/evil.example",
    "",
]  # fmt: skip


async def test_no_way_in_leads_to_another_site(web: Running) -> None:
    for there in ELSEWHERE:
        for said in (there, quote(there), quote(there, safe="")):
            answer = await web.post("/login", data={"token": SECRETS["read"], "next": said}, scope="")
            assert answer.status == 303
            assert stays(answer.headers["Location"]), (there, said)
        assert (await web.post("/login", data={"token": SECRETS["read"], "next": there}, scope="")).headers[
            "Location"
        ] == "/"
        shown = await page(web, f"/login?next={quote(there, safe='')}", {"Accept": "text/html"})
        assert 'name="next" value="/"' in shown.text


def stays(there: str) -> bool:
    r"""Whether every browser takes it for a path of the site that it is on (WHATWG URL: `\` is `/`, breaks go)."""
    read = re.sub(r"[\t\r\n]", "", there.strip()).replace("\\", "/")
    return urlsplit(urljoin("https://ours.example/login", read)).netloc == "ours.example" and read.startswith("/")


@given(st.text(max_size=12) | st.text(alphabet="/\\ \t\r\n.:@evil", max_size=12))
def test_what_is_safe_stays_on_this_site(given_: str) -> None:
    for said in (given_, "/" + given_):
        assert stays(safe(said))


async def raw(web: Running, request: bytes) -> tuple[int, bytes]:
    """Send bytes as they are, which no client would; return the status and all that was answered."""
    parts = urlsplit(web.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        async with asyncio.timeout(10):
            answered = await reader.read()
    finally:
        writer.close()
    return (int(answered.split(b" ", 2)[1]) if answered else 0), answered


PATHS = (
    "/static/../auth.py", "/static/..%2fauth.py", "/static/%2e%2e/auth.py", "/static/%2e%2e%2fauth.py",
    "/static/....//auth.py", "/static/..\\auth.py", "/static/..%5cauth.py", "/static//etc/passwd",
    "/static/%2fetc%2fpasswd", "/static/%00", "/static/page.css%00.py", "/static/../templates/base.html",
    "/static/%c0%ae%c0%ae/auth.py", "/static/~root", "/static/", "/static",
)  # fmt: skip


async def test_only_the_files_of_the_page_are_served(web: Running) -> None:
    for path in PATHS:
        status, answered = await raw(web, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert status in (303, 307, 400, 404, 405), answered[:300]
        for text in (b"import", b"root:", b"block main"):
            assert text not in answered, path


async def test_nothing_that_is_sent_becomes_a_header_of_the_answer(web: Running) -> None:
    injected = "/x\r\nSet-Cookie: devops_agent_session=evil\r\nX-Evil: 1"
    answers = [
        await web.get(f"/login?next={quote(injected, safe='')}", scope=""),
        await web.post("/login", data={"token": SECRETS["read"], "next": injected}, scope=""),
        await web.get(f"/incidents/{quote(injected, safe='')}", scope="", headers={"Accept": "text/html"}),
        await web.get(f"/login/oidc/back?error={quote(injected, safe='')}", scope=""),
        await web.get(f"/api/v1/incidents/{quote(injected, safe='')}"),
        await web.post("/api/v1/pauses", {"reason": injected, "target": injected}),
    ]
    for answer in answers:
        assert "X-Evil" not in answer.headers
        assert "evil" not in answer.headers.get("Set-Cookie", "")


async def test_a_host_that_somebody_made_up_is_not_believed_with_forms(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.OPERATOR)
    key = await form_key(web, browser)
    sent = {**browser, "Host": "evil.example", "Origin": web.url}
    answer = await web.post("/pause", data={"form_key": key, "reason": "x"}, headers=sent, scope="")
    assert answer.status == 403


async def test_bodies_that_are_too_large_or_too_deep_are_refused(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.OPERATOR)
    key = await form_key(web, browser)
    large = "x" * 300_000
    deep = "[" * 50_000 + "]" * 50_000
    refusals = [
        (await web.post("/pause", data={"form_key": key, "reason": large}, headers=browser, scope=""), {413}),
        (await web.post("/login", data={"name": "ada", "password": large}, scope=""), {413}),
        (await web.post("/pause", data={f"f{n}": "" for n in range(50)}, headers=browser, scope=""), {422}),
        (await web.post("/pause", data=b"\xff\xfe", headers=browser, scope=""), {415, 422}),
        (await web.post("/pause", {"form_key": key}, headers=browser, scope=""), {415}),
        (await web.post("/api/v1/pauses", {"reason": large}), {413}),
        (await web.post("/api/v1/pauses", data=deep, headers={"Content-Type": "application/json"}), {400, 413, 422}),
    ]
    for answer, allowed in refusals:
        assert answer.status in allowed, (answer.status, answer.text[:200])


async def test_a_very_long_password_costs_no_more_than_another(web: Running) -> None:
    await add(web, "ada", password=True)
    assert (await sign_in(web, "ada", PASSWORD + "x" * 1_900)).status == 401
    assert (await sign_in(web, "a" * 2_000, PASSWORD)).status == 401


async def test_errors_carry_the_same_protection_as_pages(web: Running) -> None:
    for method, path in (("GET", "/nowhere"), ("DELETE", "/"), ("GET", "/static/none"), ("POST", "/webhook/none")):
        answer = await web.ask(method, path, scope="", headers={"Accept": "text/html"})
        assert answer.status in (303, 404, 405)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers
        assert "Traceback" not in answer.text


WRITES = [
    ("/pause", {"target": "", "reason": "why1", "hours": "4"}, "why1"),
    ("/resume", {"target": "reports"}, ""),
    ("/targets/checkout/restart", {"reason": "why2"}, "why2"),
    ("/incidents/INC-3/guide", {"runbook": "service-down", "comment": "why3"}, "why3"),
    ("/incidents/INC-3/resolve", {"comment": "why4"}, "why4"),
    ("/silences", {"matchers": "alertname=X*", "comment": "why5", "hours": "1"}, "why5"),
    ("/silences/SIL-1/end", {}, ""),
    ("/approvals/APR-1", {"answer": "denied", "comment": "why6"}, "why6"),
    ("/accounts", {"name": "bob", "role": "viewer"}, ""),
    ("/accounts/bob/role", {"role": "operator", "comment": "why8"}, "why8"),
    ("/accounts/bob/disabled", {"disabled": "yes", "comment": "why9"}, "why9"),
    ("/accounts/bob/sessions/end", {}, ""),
    ("/account/tokens", {"name": "ci", "scope": "read", "days": "1"}, ""),
]
COMMANDS = [
    ("POST", "/api/v1/pauses", {"reason": "why1"}, "why1"),
    ("DELETE", "/api/v1/pauses", None, ""),
    ("POST", "/api/v1/silences", {"matchers": {"a": "b"}, "comment": "why2", "hours": 1}, "why2"),
    ("PUT", "/api/v1/flags/AUTO_REMEDIATION_ENABLED", {"value": False}, ""),
    ("POST", "/api/v1/tokens", {"name": "ci", "scope": "read"}, ""),
    ("DELETE", "/api/v1/tokens/ci", None, ""),
    ("POST", "/actions/restart", {"target": "checkout", "reason": "why3"}, "why3"),
    ("POST", "/api/v1/accounts", {"name": "bob", "role": "viewer"}, ""),
    ("PATCH", "/api/v1/accounts/bob", {"disabled": True, "comment": "why4"}, "why4"),
]


async def newest(web: Running, after: int) -> list[Event]:
    return await web.store.read(lambda rows: events.after(rows, after))


async def test_every_form_leaves_who_from_where_and_why_on_the_record(web: Running) -> None:
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    browser = await browser_of(web, "ada", Role.ADMIN)
    asked = await web.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    for path, fields, why in WRITES:
        seq = (await web.store.read(events.head))[0]
        answer = await submit(web, path, browser, **fields, digest=asked.digest)
        assert answer.status in (200, 303), (path, answer.text)
        _see(await newest(web, seq), actor="page:ada", why=why, where=path)


async def test_every_command_leaves_who_from_where_and_why_on_the_record(web: Running) -> None:
    for method, path, body, why in COMMANDS:
        seq = (await web.store.read(events.head))[0]
        answer = await web.ask(method, path, scope="admin", json=body)
        assert answer.status < 300, (path, answer.text)
        _see(await newest(web, seq), actor="api:admin", why=why, where=path)


def _see(told: list[Event], *, actor: str, why: str, where: str) -> None:
    by = [one for one in told if one.actor == actor]
    assert by, (where, told)
    assert {one.data.get("from_address") for one in by} == {"127.0.0.1"}, where
    assert why in json.dumps([one.says for one in told]), where
