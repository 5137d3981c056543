"""What people and programs without the right try, on every route that there is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.account import Role
from devops_agent.store import approvals, events, tokens
from tests.web import seed
from tests.web.people import PASSWORD, TOPICS, add, browser_of, cookies, form_key, page, sign_in, submit
from tests.web.routes import Operation, operations, pages
from tests.web.serving import SECRETS, Running

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows

OPEN = {"/login", "/login/oidc", "/login/oidc/back"}
"""Pages for those who are not signed in."""
SIGNED = {"/hooks/slack"}
"""Forms that come with a signature instead of a session."""
OWN = {"/logout", "/account/password", "/account/sessions/end", "/account/tokens", "/account/tokens/end"}
"""Forms about oneself, for everybody."""
ADMINS = ("/accounts", "/flags/", "/settings")
"""How the forms begin that operators may not send."""
OPEN_OPERATIONS = {"/health", "/metrics"}


@pytest.fixture
async def full(web: Running) -> Running:
    """A store that looks like a working week."""
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    return web


def head(rows: Rows) -> int:
    return events.head(rows)[0]


def guarded(web: Running) -> list[Operation]:
    return [one for one in operations(web) if one.path not in OPEN_OPERATIONS]


async def test_every_page_sends_who_is_not_signed_in_to_do_so(full: Running) -> None:
    browsers = {"nobody": {}, "a made-up one": {"Cookie": "devops_agent_session=da_" + "x" * 43}}
    for name, cookie in browsers.items():
        for one in pages(full, "GET"):
            if one.route in OPEN:
                continue
            full.clock.ahead += timedelta(seconds=3)
            answer = await page(full, one.path, {**cookie, "Accept": "text/html"})
            assert answer.status == 303, (name, one)
            assert answer.headers["Location"].startswith("/login?next="), (name, one)


async def test_every_form_refuses_who_is_not_signed_in(full: Running) -> None:
    before = await full.store.read(head)
    for one in pages(full, "POST"):
        if one.route in OPEN | SIGNED:
            continue
        answer = await full.post(one.path, data={"form_key": "0" * 64}, scope="")
        assert answer.status == 401, one
    assert await full.store.read(head) == before


async def test_what_needs_a_signature_takes_nothing_without(full: Running) -> None:
    browser = await browser_of(full, "ada", Role.ADMIN)
    for path in SIGNED & {one.route for one in pages(full, "POST")}:
        for headers in ({}, browser):
            answer = await full.post(path, data={"payload": "{}"}, headers=headers, scope="")
            assert answer.status in (400, 401, 403, 404), (path, answer.status)


async def test_every_session_ends_with_its_time_its_account_and_its_token(full: Running) -> None:
    await add(full, "ada", Role.ADMIN)
    gone = await browser_of(full, "gone", Role.ADMIN)
    await full.ask("PATCH", "/api/v1/accounts/gone", scope="admin", json={"role": "viewer"})
    shut = await browser_of(full, "shut", Role.ADMIN)
    await full.ask("PATCH", "/api/v1/accounts/shut", scope="admin", json={"disabled": True})
    revoked = await full.log_in("operate")
    await full.ask("DELETE", "/api/v1/tokens/operate", scope="admin")
    for browser in (gone, shut, revoked):
        assert (await page(full, "/", browser)).status == 303
        for one in pages(full, "POST"):
            if one.route not in OPEN | SIGNED:
                full.clock.ahead += timedelta(seconds=3)  # else guessing is slowed down
                assert (await full.post(one.path, data={}, headers=browser, scope="")).status == 401, one
    old = await browser_of(full, "old", Role.ADMIN)
    full.clock.ahead += timedelta(hours=13)
    assert (await page(full, "/", old)).status == 303


@pytest.mark.slow
async def test_every_operation_refuses_tokens_that_are_none_any_more_or_never_were(full: Running) -> None:
    now = full.clock.now()
    browser = await browser_of(full, "ada", Role.ADMIN)

    def make(rows: Rows) -> None:
        tokens.keep(rows, "old", secret="old", scope="admin", now=now, expires_at=now + timedelta(seconds=1))
        tokens.keep(rows, "gone", secret="gone", scope="admin", now=now)
        tokens.revoke(rows, "gone", now=now)
        tokens.keep(rows, "login-eve", secret="ticket", scope="admin", now=now)
        tokens.keep(rows, "eve/x", secret="orphan", scope="admin", now=now, account="eve")

    await full.store.write(make, tell=TOPICS)
    session = browser["Cookie"].partition("=")[2]
    full.clock.ahead += timedelta(seconds=2)
    for secret in ("old", "gone", "ticket", "orphan", session, SECRETS["admin"] + "x", SECRETS["admin"].upper()):
        for one in guarded(full):
            full.clock.ahead += timedelta(seconds=3)
            answer = await full.ask(one.method, one.path, scope=secret)
            assert answer.status == 401, (secret, one.method, one.path)


async def test_a_browsers_cookie_writes_nothing_through_the_api(full: Running) -> None:
    browser = await browser_of(full, "ada", Role.ADMIN)
    key = await form_key(full, browser)
    before = await full.store.read(head)
    for one in guarded(full):
        if one.method == "GET":
            continue
        answer = await full.ask(one.method, one.path, scope="", headers={**browser, "X-Form-Key": key}, json={})
        assert answer.status == 401, one
    assert await full.store.read(head) == before


async def test_who_may_only_look_sends_no_form_but_about_themselves(full: Running) -> None:
    browser = await browser_of(full, "eve", Role.VIEWER)
    key = await form_key(full, browser)
    before = await full.store.read(head)
    for one in pages(full, "POST"):
        if one.route in OPEN | SIGNED | OWN:
            continue
        answer = await submit(full, one.path, browser, form_key=key)
        assert (answer.status, "eve is viewer" in answer.text) == (403, True), one
    assert await full.store.read(head) == before
    assert (await page(full, "/accounts", browser)).status == 403


async def test_an_operator_manages_neither_accounts_nor_switches(full: Running) -> None:
    browser = await browser_of(full, "bob", Role.OPERATOR)
    key = await form_key(full, browser)
    refused = 0
    for one in pages(full, "POST"):
        if one.path.startswith(ADMINS):
            answer = await submit(full, one.path, browser, form_key=key, name="x", role="admin", value="on")
            assert answer.status == 403, one
            refused += 1
    assert refused >= 6
    assert (await page(full, "/accounts", browser)).status == 403
    made = await submit(full, "/account/tokens", browser, form_key=key, name="x", scope="admin", days="30")
    assert (made.status, "cannot have admin" in made.text) == (409, True)
    for scope in ("read", "operate"):
        refusals = [
            await full.post("/api/v1/accounts", {"name": "evil", "role": "admin"}, scope=scope),
            await full.ask("PATCH", "/api/v1/accounts/bob", scope=scope, json={"role": "admin"}),
            await full.post("/api/v1/tokens", {"name": "evil", "scope": "admin"}, scope=scope),
        ]
        assert [answer.status for answer in refusals] == [403, 403, 403]


CROSSING = [
    ({"Sec-Fetch-Site": "cross-site"}, "cross-site"),
    ({"Sec-Fetch-Site": "same-site"}, "a neighbour under the same domain"),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "{ours}"}, "what the browser knows best counts"),
    ({"Origin": "https://evil.example"}, "another origin"),
    ({"Origin": "null"}, "a sandbox"),
    ({"Origin": "{ours}.evil.example"}, "an origin that begins like ours"),
    ({"Origin": "http://["}, "no origin"),
    ({"Origin": ""}, "an empty one"),
]


async def test_no_form_counts_that_another_site_sent_even_with_the_right_key(full: Running) -> None:
    browser = await browser_of(full, "ada", Role.ADMIN)
    key = await form_key(full, browser)
    before = await full.store.read(head)
    for one in pages(full, "POST"):
        if one.route in SIGNED:
            continue
        for headers, why in CROSSING:
            sent = {name: value.replace("{ours}", full.url) for name, value in headers.items()}
            answer = await full.post(one.path, data={"form_key": key}, headers={**browser, **sent}, scope="")
            assert (answer.status, "another site" in answer.text) == (403, True), (one, why)
    assert await full.store.read(head) == before


async def test_no_form_counts_without_the_key_of_its_session(full: Running) -> None:
    browser, other = await browser_of(full, "ada", Role.ADMIN), await browser_of(full, "bob", Role.ADMIN)
    keys = ("", "0" * 64, "é", await form_key(full, other))
    before = await full.store.read(head)
    for one in pages(full, "POST"):
        if one.route not in OPEN | SIGNED:
            for key in keys:
                answer = await submit(full, one.path, browser, form_key=key)
                assert (answer.status, "not from your session" in answer.text) == (403, True), (one, key)
    assert await full.store.read(head) == before


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "{ours}"}, {}])
async def test_our_own_forms_count(full: Running, headers: dict[str, str]) -> None:
    browser = await browser_of(full, "ada", Role.OPERATOR)
    sent = {name: value.replace("{ours}", full.url) for name, value in headers.items()}
    assert (await submit(full, "/pause", {**browser, **sent}, reason="deployment")).status == 303


async def answer(web: Running, browser: dict[str, str], word: str, digest: str) -> int:
    return (await submit(web, "/approvals/APR-1", browser, answer=word, digest=digest)).status


async def test_a_question_is_answered_once_by_one_person(full: Running) -> None:
    ada, bob = await browser_of(full, "ada", Role.OPERATOR), await browser_of(full, "bob", Role.OPERATOR)
    asked = await full.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    assert await answer(full, ada, "approved", "0" * len(asked.digest)) == 409, "the plan is another by now"
    assert await answer(full, ada, "approved", "") == 409
    assert await answer(full, ada, "denied", asked.digest) == 303
    for browser in (ada, bob):
        for word in ("approved", "denied"):
            assert await answer(full, browser, word, asked.digest) == 409
    body = {"digest": asked.digest, "comment": ""}
    assert (await full.post("/api/v1/approvals/APR-1/approve", body)).status == 409
    kept = await full.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert kept
    assert (kept.answer.value, kept.by) == ("denied", "page:ada")


async def test_a_question_whose_time_is_over_is_answered_by_nobody(full: Running) -> None:
    asked = await full.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    full.clock.ahead += timedelta(hours=2)
    ada = await browser_of(full, "ada", Role.OPERATOR)
    assert await answer(full, ada, "approved", asked.digest) == 409


async def test_guessing_a_password_is_slowed_down_for_a_while_and_never_for_good(web: Running) -> None:
    web.settings.append(web.settings[-1].with_(accounts=web.settings[-1].accounts.with_(attempts_per_minute=2)))
    await add(web, "ada", password=True)
    statuses = [(await sign_in(web, "ada", f"guess-{n}")).status for n in range(4)]
    assert statuses == [401, 401, 429, 429]
    refused = await sign_in(web, "ada", PASSWORD)
    assert (refused.status, int(refused.headers["Retry-After"]) >= 1) == (429, True)
    assert "too many tries" in refused.text.lower()
    web.clock.ahead += timedelta(seconds=61)
    assert (await sign_in(web, "ada", PASSWORD)).status == 303


async def test_a_session_that_somebody_planted_is_not_taken_over(web: Running) -> None:
    await add(web, "ada", password=True)
    for planted in ("chosen-by-eve", (await browser_of(web, "eve", Role.VIEWER))["Cookie"].partition("=")[2]):
        before = {"Cookie": f"devops_agent_session={planted}", "Accept": "text/html"}
        after = cookies(await sign_in(web, "ada", PASSWORD, before))
        assert planted not in after["Cookie"]
        assert (await page(web, "/account", before)).status == 303
        assert "<h1>ada</h1>" in (await page(web, "/account", after)).text


async def test_a_long_lived_token_in_a_link_opens_nothing(web: Running) -> None:
    opened = await web.get(f"/login?token={SECRETS['admin']}", scope="")
    assert (opened.status, "Set-Cookie" in opened.headers) == (401, False)
