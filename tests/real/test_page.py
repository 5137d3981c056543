"""The page in a real browser: live without reload, usable by keyboard and on a phone, quiet in its console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from devops_agent.engine import commands
from devops_agent.model.alert import Severity
from devops_agent.model.sighting import Health
from devops_agent.store import approvals, events, incidents, targets
from tests.real.browsing import open_page, started
from tests.web import seed
from tests.web.serving import SECRETS, Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from devops_agent.store.rows import Rows


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Running]:
    """Serve a store that looks like a working week."""
    async with running(tmp_path) as web:
        await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
        yield web


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Start Debian's Chromium."""
    async with started(chromium) as browser:
        yield browser


async def test_a_new_incident_shows_without_reloading(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    await page.evaluate("window.untouched = true")

    def open_one(rows: Rows) -> None:
        incidents.open_(
            rows, target="db", cause_group="service", kind="down", severity=Severity.CRITICAL,
            title="db is down <b>now</b>", now=web.clock.now(),
        )  # fmt: skip
        commands.pause(rows, target="", reason="look first", by="cli:ada", ends_at=None, now=web.clock.now())

    await web.store.write(open_one, tell=("events",))
    await expect(page.locator("#doing")).to_contain_text("db is down <b>now</b>")
    await expect(page.locator("#banners")).to_contain_text("look first")
    assert await page.evaluate("window.untouched") is True
    assert complaints == []


async def test_a_plan_is_approved_with_the_keyboard_alone(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    await page.focus("#APR-1 input[name=comment]")
    await page.keyboard.type("go ahead")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#yours")).not_to_contain_text("APR-1")
    asked = await web.store.read(lambda rows: approvals.get(rows, "APR-1"))
    assert asked
    assert (asked.answer.value, asked.comment, asked.by) == ("approved", "go ahead", "page:operate")
    assert complaints == []


async def test_what_somebody_is_typing_is_not_swept_away(web: Running, browser: Browser) -> None:
    page, _ = await open_page(browser, web)
    await page.fill("#APR-1 input[name=comment]", "half a senten")
    async with page.expect_response(lambda answer: answer.url == f"{web.url}/"):
        await web.post("/api/v1/pauses", {"target": "db", "reason": "x"})
    await expect(page.locator("#lately")).to_contain_text("paused db")
    assert await page.input_value("#APR-1 input[name=comment]") == "half a senten"


async def test_the_page_says_so_when_the_connection_is_gone(web: Running, browser: Browser) -> None:
    page, _ = await open_page(browser, web)
    web.task.cancel()
    await expect(page.locator("#live")).to_have_text("not live")
    await expect(page.locator("#cut")).to_contain_text("Not live, trying again.")


async def test_an_operation_can_be_tried_on_the_docs_page(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    await page.goto(f"{web.url}/docs")
    await page.fill("#token", SECRETS["read"])
    operation = page.locator("details", has_text="/api/v1/flags").first
    await operation.locator("summary").click()
    await operation.locator("button").click()
    await expect(operation.locator("pre")).to_contain_text("AUTO_REMEDIATION_ENABLED")
    assert complaints == []


async def test_everything_on_the_overview_can_be_reached_with_the_keyboard(web: Running, browser: Browser) -> None:
    page, _ = await open_page(browser, web)
    reached = set()
    await page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("document.activeElement.textContent.trim().slice(0, 40)"))
    assert {"Skip to content", "Overview", "Pause everything", "Approve", "Deny", "Log out"} <= reached


async def test_keys_lead_to_pages_find_targets_and_can_be_switched_off(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    await page.keyboard.press("g")
    await page.keyboard.press("t")
    await expect(page).to_have_url(f"{web.url}/targets")
    await page.keyboard.press("/")
    await page.keyboard.type("check")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{web.url}/targets/checkout")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.uncheck("#keys-on")
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_hidden()
    assert complaints == []


async def test_typing_sifts_the_targets_and_a_fresh_page_stays_sifted(web: Running, browser: Browser) -> None:
    page, _ = await open_page(browser, web)
    await page.fill("#find", "pay")
    await expect(page.locator("#targets .tile:visible")).to_have_count(1)
    await expect(page.locator("#found")).to_have_text("1 of 8")
    seen = await web.store.read(lambda rows: targets.get(rows, "mailer"))
    assert seen

    def fall(rows: Rows) -> None:
        targets.keep(rows, [seen.with_(health=Health.DOWN)])
        events.add(rows, "note", "mailer went down", at=web.clock.now())

    await web.store.write(fall, tell=("events",))
    await expect(page.locator("#headline")).to_contain_text("4 of 8")
    await expect(page.locator("#targets .tile:visible")).to_have_count(1)


async def test_the_theme_that_was_chosen_is_remembered(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.select_option("#theme", "dark")
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.goto(f"{web.url}/targets")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != light
    assert await page.input_value("#theme") == "dark"
    assert complaints == []


async def test_a_table_that_was_opened_stays_open_when_the_page_is_made_anew(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web)
    await page.goto(f"{web.url}/targets/search")
    await page.locator("#numbers-1 summary").click()
    seen = await web.store.read(lambda rows: targets.get(rows, "search"))
    assert seen

    def change(rows: Rows) -> None:
        targets.keep(rows, [seen.with_(readings={**seen.readings, "memory_percent": 99.0})])
        events.add(rows, "note", "more memory", at=web.clock.now())

    await web.store.write(change, tell=("events",))
    await expect(page.locator("#past")).to_contain_text("99 %")
    assert await page.evaluate("document.getElementById('numbers-1').open")
    assert await page.evaluate("document.activeElement.parentElement.id") == "numbers-1"
    assert complaints == []


async def test_a_phone_has_the_whole_navigation_in_a_menu(web: Running, browser: Browser) -> None:
    page, complaints = await open_page(browser, web, width=390)
    await expect(page.locator(".bar")).to_be_hidden()
    await page.locator("#menu summary").click()
    await page.locator("#menu a", has_text="Targets").click()
    await expect(page).to_have_url(f"{web.url}/targets")
    assert complaints == []


async def test_a_tab_that_nobody_sees_holds_no_stream(web: Running, browser: Browser) -> None:
    page, _ = await open_page(browser, web)
    hide = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });"
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(hide % "true" + tell)
    await tell_event(web, "while nobody looked")
    async with page.expect_response(lambda answer: "/stream" in answer.url):
        await page.evaluate(hide % "false" + tell)
    await expect(page.locator("#lately")).to_contain_text("while nobody looked")


async def tell_event(web: Running, says: str) -> None:
    await web.store.write(lambda rows: events.add(rows, "note", says, at=web.clock.now()), tell=("events",))
