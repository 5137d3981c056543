"""The page in a real browser: live without reload, usable by keyboard and on a phone, quiet in its console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

from devops_agent.engine import commands
from devops_agent.model.alert import Severity
from devops_agent.store import approvals, incidents
from tests.web import seed
from tests.web.serving import SECRETS, Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from devops_agent.store.rows import Rows

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES = (
    "/", "/incidents", "/incidents/INC-1", "/incidents/INC-2", "/incidents/INC-3", "/targets", "/targets/search",
    "/silences", "/runbooks", "/audit?verify=1", "/docs",
)  # fmt: skip


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Running]:
    """Serve a store that looks like a working week."""
    async with running(tmp_path) as web:
        await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
        yield web


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Start Debian's Chromium."""
    async with async_playwright() as tool:
        browser = await tool.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


async def open_page(browser: Browser, web: Running, *, width: int = 1280, dark: bool = False) -> tuple[Page, list[str]]:
    """Open the overview, logged in; return it with a list that fills with whatever the browser complains of."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(web.url) else None)
    await page.goto(f"{web.url}/")
    await page.fill("input[name=token]", SECRETS["operate"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#live")).to_have_text("live")
    return page, complaints


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


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
async def test_every_page_fits_its_width_and_leaves_the_console_quiet(
    web: Running, browser: Browser, *, width: int, dark: bool
) -> None:
    page, complaints = await open_page(browser, web, width=width, dark=dark)
    for path in PAGES:
        await page.goto(web.url + path)
        await expect(page.locator("h1").first).to_be_attached()
        over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, path
    assert complaints == []


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
