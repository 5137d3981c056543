"""Who may do what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.config.settings import Settings, Web
from devops_agent.store import tokens
from tests.web import seed
from tests.web.serving import SECRETS, TARGETS, Running, running

if TYPE_CHECKING:
    from pathlib import Path

OPEN = {("get", "/health"), ("get", "/metrics")}
LESSER = {
    "read": ("alerts",),
    "operate": ("alerts", "read"),
    "admin": ("alerts", "read", "operate"),
    "alerts": ("read",),
}


def operations(web: Running) -> list[tuple[str, str, dict[str, Any]]]:
    described = web.app.openapi()
    return [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def filled(path: str) -> str:
    for name, value in {"incident": "INC-1", "approval": "APR-1", "silence": "SIL-1"}.items():
        path = path.replace(f"{{{name}}}", value)
    return re.sub(r"\{\w+\}", "checkout", path)


@pytest.mark.slow
async def test_every_operation_but_two_refuses_who_has_no_token(web: Running) -> None:
    for method, path, _ in operations(web):
        for scope in ("", "wrong"):
            web.clock.ahead += timedelta(seconds=3)
            answer = await web.ask(method.upper(), filled(path), scope=scope)
            if (method, path) in OPEN:
                assert answer.status == 200, path
            else:
                assert answer.status == 401, (method, path)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.slow
async def test_every_operation_refuses_every_lesser_scope(web: Running) -> None:
    scoped = [(m, p, o["x-required-scope"]) for m, p, o in operations(web) if "x-required-scope" in o]
    assert len(scoped) == len(operations(web)) - len(OPEN) - len({"/stream"})
    for method, path, scope in scoped:
        for lesser in LESSER[scope]:
            answer = await web.ask(method.upper(), filled(path), scope=lesser)
            assert answer.status == 403, (method, path, lesser)
    assert (await web.get("/stream", scope="alerts")).status == 403


@pytest.mark.slow
async def test_every_operation_takes_the_scope_that_it_names(web: Running) -> None:
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
    for method, path, operation in operations(web):
        if scope := operation.get("x-required-scope"):
            answer = await web.ask(method.upper(), filled(path), scope=scope)
            assert answer.status not in {401, 403, 500, 503}, (method, path)


async def test_every_page_sends_strangers_to_log_in(web: Running) -> None:
    for path in ("/", "/incidents", "/incidents/INC-1", "/targets", "/targets/x", "/silences", "/runbooks", "/audit"):
        answer = await web.get(path, scope="", headers={"Accept": "text/html"})
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login?next=/")


async def test_an_expired_or_revoked_token_ends_at_once(web: Running) -> None:
    now = web.clock.now()
    await web.store.write(
        lambda rows: tokens.keep(rows, "short", secret="s", scope="read", now=now, expires_at=now + timedelta(hours=1))
    )
    assert (await web.get("/status", scope="s")).status == 200
    web.clock.ahead = timedelta(hours=2)
    assert (await web.get("/status", scope="s")).status == 401
    assert (await web.get("/status", scope="read")).status == 200
    await web.ask("DELETE", "/api/v1/tokens/read", scope="admin")
    assert (await web.get("/status", scope="read")).status == 401


async def test_a_token_revoked_by_another_process_ends_within_seconds(web: Running) -> None:
    assert (await web.get("/status")).status == 200
    await web.store.write(lambda rows: tokens.revoke(rows, "read", now=web.clock.now()))
    web.clock.ahead += timedelta(seconds=6)
    assert (await web.get("/status")).status == 401


async def test_guessing_is_slowed_down_and_does_not_lock_out_who_is_known(web: Running) -> None:
    assert (await web.get("/status")).status == 200
    statuses = [(await web.get("/status", scope=f"guess-{n}")).status for n in range(60)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert (await web.get("/status")).status == 200


async def test_who_holds_a_token_is_let_in_however_many_guesses_come_from_the_same_address(web: Running) -> None:
    alert = {"name": "BackupFailed"}
    assert (await web.post("/webhook/generic", alert, scope="alerts")).status == 202
    assert {(await web.get("/status", scope=f"guess-{n}")).status for n in range(60)} == {401, 429}
    await web.store.write(lambda rows: tokens.revoke(rows, "none", now=web.clock.now()), tell=("tokens",))
    web.clock.ahead += timedelta(seconds=6)
    assert {(await web.get("/status", scope=f"guess-{n}")).status for n in range(60, 120)} == {401, 429}
    assert (await web.post("/webhook/generic", alert, scope="alerts")).status == 202


async def test_guesses_cost_nobody_an_alert_even_before_the_sender_is_known(web: Running) -> None:
    assert {(await web.get("/status", scope=f"guess-{n}")).status for n in range(60)} == {401, 429}
    answer = await web.post("/webhook/generic", {"name": "BackupFailed"}, scope="alerts")
    assert answer.status == 503, "senders repeat what got a 503, and drop what got a 429"


async def test_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    settings = Settings(targets=TARGETS, web=Web(requests_per_minute=60))
    async with running(tmp_path, settings=settings) as web:
        answers = [await web.get("/api/v1/flags") for _ in range(30)]
        assert answers[0].status == 200
        assert answers[-1].status == 429
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await web.get("/api/v1/flags", scope="admin")).status == 200, "others are not counted with it"


async def test_metrics_can_be_closed(web: Running) -> None:
    web.settings.append(Settings(targets=TARGETS, web=Web(metrics_open=False)))
    assert (await web.get("/metrics", scope="")).status == 401
    assert (await web.get("/metrics")).status == 200


async def test_logging_in_gives_a_cookie_that_no_script_and_no_other_site_can_use(web: Running) -> None:
    answer = await web.post("/login", data={"token": SECRETS["read"]}, scope="")
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert SECRETS["read"] not in cookie


async def test_a_session_is_no_token(web: Running) -> None:
    secret = (await web.log_in())["Cookie"].partition("=")[2]
    assert (await web.get("/status", scope=secret)).status == 401


async def test_a_session_outlives_the_process_but_not_its_token(tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        browser = await web.log_in("read")
    async with running(tmp_path) as web:
        assert (await web.get("/", scope="", headers=browser)).status == 200
        await web.ask("DELETE", "/api/v1/tokens/read", scope="admin")
        assert (await web.get("/", scope="", headers=browser)).status == 303


async def test_a_session_ends_by_itself_and_by_logging_out(web: Running) -> None:
    browser = await web.log_in()
    web.clock.ahead = timedelta(hours=13)
    assert (await web.get("/", scope="", headers=browser)).status == 303
    browser = await web.log_in()
    await web.post("/logout", data={"form_key": await form_key(web, browser)}, headers=browser, scope="")
    assert (await web.get("/", scope="", headers=browser)).status == 303


async def form_key(web: Running, browser: dict[str, str]) -> str:
    page = (await web.get("/silences", scope="", headers=browser)).text
    found = re.search(r'name="form_key" value="([0-9a-f]{64})"', page)
    assert found
    return found.group(1)


async def test_a_login_link_is_good_for_one_use(web: Running) -> None:
    now = web.clock.now()
    await web.store.write(lambda rows: tokens.keep(rows, "login-ada", secret="ticket", scope="operate", now=now))
    assert (await web.get("/status", scope="ticket")).status == 401, "a ticket is no token"
    answer = await web.get("/login?token=ticket&next=/audit", scope="")
    assert answer.status == 303
    assert answer.headers["Location"] == "/audit"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    browser = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}
    assert (await web.get("/", scope="", headers=browser)).status == 200
    assert (await web.get("/login?token=ticket", scope="")).status == 401


async def test_a_token_that_may_only_send_alerts_opens_no_session(web: Running) -> None:
    assert (await web.post("/login", data={"token": SECRETS["alerts"]}, scope="")).status == 403


@pytest.mark.parametrize("there", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_logging_in_leads_to_no_other_site(web: Running, there: str) -> None:
    answer = await web.post("/login", data={"token": SECRETS["read"], "next": there}, scope="")
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("key", ["", "0" * 64])
async def test_a_form_without_its_key_does_nothing(web: Running, key: str) -> None:
    browser = await web.log_in()
    data = {"form_key": key, "reason": "x"}
    assert (await web.post("/pause", data=data, headers=browser, scope="")).status == 403
    assert (await web.get("/api/v1/pauses")).json()["items"] == []


async def test_who_may_only_read_cannot_post_forms(web: Running) -> None:
    browser = await web.log_in("read")
    data = {"form_key": await form_key(web, browser), "reason": "x"}
    assert (await web.post("/pause", data=data, headers=browser, scope="")).status == 403


async def test_secrets_are_nowhere_in_the_store(web: Running, tmp_path: Path) -> None:
    await web.log_in()
    raw = b"".join(file.read_bytes() for file in tmp_path.glob("agent.db*") if file.is_file())
    for secret in SECRETS.values():
        assert secret.encode() not in raw


async def test_a_session_does_not_come_back_with_another_token_of_the_same_name(web: Running) -> None:
    browser = await web.log_in("operate")
    now = web.clock.now()
    await web.store.write(lambda rows: tokens.revoke(rows, "operate", now=now), tell=("tokens",))
    assert (await web.get("/targets", scope="", headers=browser)).status == 303
    later = now + timedelta(seconds=1)
    await web.store.write(
        lambda rows: tokens.keep(rows, "operate", secret="new", scope="read", now=later), tell=("tokens",)
    )
    web.clock.ahead += timedelta(seconds=6)
    assert (await web.get("/targets", scope="", headers=browser)).status == 303


async def test_a_token_named_like_a_link_takes_its_sessions_along(web: Running) -> None:
    name = "x by link of y"
    await web.store.write(lambda rows: tokens.keep(rows, name, secret="s", scope="read", now=web.clock.now()))
    answer = await web.post("/login", data={"token": "s"}, scope="")
    browser = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}
    assert (await web.get("/targets", scope="", headers=browser)).status == 200
    await web.store.write(lambda rows: tokens.revoke(rows, name, now=web.clock.now()), tell=("tokens",))
    web.clock.ahead += timedelta(seconds=6)
    assert (await web.get("/targets", scope="", headers=browser)).status == 303


@pytest.mark.parametrize(
    "referer", ["http://127.0.0.1//evil.example/x", "http://127.0.0.1/\\\\evil.example", "http://["]
)
async def test_a_form_leads_back_to_no_other_site(web: Running, referer: str) -> None:
    browser = await web.log_in()
    form = {"form_key": await form_key(web, browser), "reason": "why"}
    answer = await web.post("/pause", data=form, headers={**browser, "Referer": referer}, scope="")
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_another_site_cannot_log_a_browser_in(web: Running) -> None:
    answer = await web.post(
        "/login", data={"token": SECRETS["read"]}, headers={"Sec-Fetch-Site": "cross-site"}, scope=""
    )
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
