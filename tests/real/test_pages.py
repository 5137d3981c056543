"""People at work in a real browser, on a real agent that heals a real process: they look, answer, hold, and say."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from devops_agent.model.incident import Incident, Status
from devops_agent.store import approvals, controls, learning
from tests.real.browsing import started
from tests.real.running import Site, marked, site, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

    from devops_agent.model.decision import Approval

NAME = f"sleeper-{os.getpid()}"
"""One of its own: processes are found by it on the whole machine, where other runs of these tests may have theirs."""
SETTINGS: dict[str, Any] = {
    "polling": {"well": "1s", "trouble": "1s", "flapping_changes": 100},
    "alerting": {"group_window": "1s"},
    "targets": [{"name": NAME, "process": {"command": ["/bin/sleep", "100000"]}, "start_period": "0s"}],
    "guard": {"cooldown": "0s"},
    "investigation": {"enabled": False, "start_worker": False},
}
MEND = {
    "name": "service-down",
    "says": "As shipped, but it settles at once.",
    "match": {"kinds": ["down"]},
    "steps": [{"name": "restart", "action": "process.restart", "proof": {"state": "running", "within": "20s"}}],
    "settle": "0s",
}
PATIENCE = 40_000
"""Milliseconds; a machine that does other things too is slow."""


@asynccontextmanager
async def at_work(folder: Path, chromium: str, *, width: int = 1280, **guard: str) -> AsyncIterator[tuple[Site, Page]]:
    """Run the product on a target that is well, with somebody signed in on its overview whose browser stays quiet."""
    books = folder / "runbooks"
    books.mkdir()
    (books / "service-down.yaml").write_text(json.dumps(MEND))
    settings = {**SETTINGS, "guard": {**SETTINGS["guard"], **guard}, "runbooks": [str(books)]}
    async with site(folder, settings) as made, started(chromium) as browser:
        await made.start()
        context = await browser.new_context(viewport={"width": width, "height": 800})
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(made.url) else None)
        await page.goto(f"{made.url}/")
        await page.get_by_text("Use a token instead").click()
        await page.get_by_label("Token").fill(made.owner)
        await page.get_by_role("button", name="Sign in with it").click()
        await expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE)
        yield made, page
        assert complaints == []


async def asked_about(made: Site, *, after: str = "") -> Approval:
    """Return the question that waits for an answer, once there is one newer than `after`."""

    async def look() -> Approval | None:
        waiting = await made.store.read(approvals.pending)
        return next((one for one in waiting if one.id != after), None)

    return await until(look, f"a question to people\n{await made.story()}")


async def well_again(made: Site, page: Page, incident: str) -> Incident:
    """Wait until an incident is over, by the rows and on the page that shows it."""
    await expect(page.locator("#head .pill")).to_have_text("resolved", timeout=PATIENCE)
    found = await made.incident(NAME, Status.RESOLVED)
    assert found.id == incident
    return found


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_fault_shows_by_itself_its_plan_is_approved_and_carried_out_and_judged(
    tmp_path: Path, chromium: str, width: int
) -> None:
    async with at_work(tmp_path, chromium, width=width, trust="ask") as (made, page):
        asked = await asked_about(made)
        await expect(page.locator("#yours")).to_contain_text(asked.incident, timeout=PATIENCE)
        assert marked(NAME) == [], "nothing was done before somebody agreed"

        await page.goto(f"{made.url}/incidents/{asked.incident}")
        await expect(page.locator(".story")).to_contain_text("You are asked to approve or deny")
        await page.locator(f"#{asked.id} input[name=comment]").fill("go <b>ahead</b>")
        await page.get_by_role("button", name=f"Approve {asked.id}").click()
        await expect(page).to_have_url(re.compile(f"/incidents/{asked.incident}$"))
        await well_again(made, page, asked.incident)
        assert len(marked(NAME)) == 1
        await expect(page.locator("#story")).to_contain_text("go <b>ahead</b>")
        await expect(page.locator(".story")).to_contain_text("was carried out and healed it")

        await page.get_by_text("Was this right?").click()
        await page.get_by_label("was right").check()
        await page.get_by_label("The last plan").select_option("helped")
        await page.get_by_role("button", name="Say so").click()
        await expect(page.locator("#said")).to_contain_text("was right")
        trials = await made.store.read(lambda rows: learning.all_trials(rows, since=asked.asked_at))
        assert [one.word for one in trials] == ["helped"]


async def test_a_fault_that_is_injected_shows_on_the_overview_without_reloading(tmp_path: Path, chromium: str) -> None:
    async with at_work(tmp_path, chromium) as (made, page):
        first = await made.incident(NAME, Status.RESOLVED)
        await made.well(NAME)
        await page.goto(f"{made.url}/")
        await expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE)
        await page.evaluate("window.untouched = true")
        for pid in marked(NAME):
            os.kill(pid, signal.SIGKILL)
        second = await made.incident(NAME, after=first.id)
        await expect(page.locator("#lately")).to_contain_text(second.id, timeout=PATIENCE)
        await made.incident(NAME, Status.RESOLVED, after=first.id)
        await made.well(NAME)
        await expect(page.locator("#lately")).to_contain_text("healed by service-down", timeout=PATIENCE)
        assert await page.evaluate("window.untouched") is True


async def test_nothing_is_done_while_it_is_paused_and_all_of_it_when_it_is_resumed(
    tmp_path: Path, chromium: str
) -> None:
    async with at_work(tmp_path, chromium) as (made, page):
        first = await made.incident(NAME, Status.RESOLVED)
        await made.well(NAME)
        await page.get_by_text("Pause everything").click()
        await page.get_by_label("Why").fill("I look <i>first</i>")
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.locator("#banners")).to_contain_text("I look <i>first</i>", timeout=PATIENCE)
        for pid in marked(NAME):
            os.kill(pid, signal.SIGKILL)
        second = await made.incident(NAME, after=first.id)
        held = await made.told("decision", incident=second.id)
        assert held.data["rule"] == "paused"
        assert marked(NAME) == []

        await page.goto(f"{made.url}/incidents/{second.id}")
        await expect(page.locator("#banners")).to_contain_text("No automatic action on anything")
        await page.locator("#banners").get_by_role("button", name="Resume").click()
        await well_again(made, page, second.id)
        assert len(marked(NAME)) == 1
        now = held.at.replace(year=held.at.year + 1)
        assert await made.store.read(lambda rows: controls.pauses(rows, now=now)) == []


async def test_a_plan_that_was_denied_is_not_carried_out(tmp_path: Path, chromium: str) -> None:
    async with at_work(tmp_path, chromium, trust="ask") as (made, page):
        asked = await asked_about(made)
        await page.goto(f"{made.url}/approvals")
        await page.locator(f"#{asked.id} summary").click()
        await page.get_by_role("button", name=f"Deny {asked.id}").click()
        await expect(page.locator("#lately")).to_contain_text("denied", timeout=PATIENCE)
        await made.incident(NAME, Status.ESCALATED)
        await page.goto(f"{made.url}/incidents/{asked.incident}")
        await expect(page.locator(".story")).to_contain_text("was put before people and denied by page:")
        await page.get_by_role("button", name="I take it").click()
        await expect(page.locator("#taken")).to_contain_text("has taken it", timeout=PATIENCE)
        assert marked(NAME) == []


async def test_a_runbook_is_rehearsed_on_the_page_and_nothing_is_done(tmp_path: Path, chromium: str) -> None:
    async with at_work(tmp_path, chromium, trust="ask") as (made, page):
        asked = await asked_about(made)
        await page.goto(f"{made.url}/runbooks/service-down")
        await page.get_by_label("For an incident").fill(asked.incident)
        await page.get_by_role("button", name="Rehearse").click()
        await expect(page.locator("#told")).to_contain_text("process.restart")
        await expect(page.locator("#told .decided")).to_contain_text("trust")
        assert [one.id for one in await made.store.read(approvals.pending)] == [asked.id]
        assert marked(NAME) == []
