"""Signing in with a real browser: by password, by link from elsewhere, through a provider on another site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from devops_agent.engine import accounts
from devops_agent.model.account import Role
from tests.real.browsing import started
from tests.web.people import PASSWORD, TOPICS, add
from tests.web.provider import providing, settings_for
from tests.web.serving import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """A page of a browser that nobody has used, and that complains of nothing."""
    async with started(chromium) as browser:
        page, complaints = await _quiet(browser)
        yield page
        assert complaints == []


async def _quiet(browser: Browser) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(reduced_motion="reduce")).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


async def test_a_person_signs_in_changes_the_password_and_signs_out(page: Page, tmp_path: Path) -> None:
    async with running(tmp_path) as web:
        await add(web, "ada", Role.ADMIN, password=True)
        await page.goto(f"{web.url}/targets")
        await page.get_by_label("Name").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{web.url}/targets")
        await page.get_by_role("link", name="ada").click()
        await page.get_by_label("Current password").fill(PASSWORD)
        await page.get_by_label("New password").fill("another long password")
        await page.get_by_label("Again").fill("another long password")
        await page.get_by_role("button", name="Set it").click()
        await page.get_by_label("Name").fill("laptop")
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_role("status").filter(has_text="nobody can read it again")).to_be_visible()
        await page.get_by_role("link", name="All accounts").click()
        await page.get_by_label("Name").fill("bob")
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator("#accounts")).to_contain_text("bob")
        await page.get_by_role("link", name="ada").click()
        await page.get_by_role("button", name="Sign out everywhere").click()
        await expect(page).to_have_url(f"{web.url}/login")


async def test_a_link_on_another_site_signs_in_with_one_press(page: Page, tmp_path: Path) -> None:
    async with running(tmp_path) as web, providing("localhost") as elsewhere:
        await add(web, "ada", Role.VIEWER)
        secret = await web.store.write(
            lambda rows: accounts.make_link(rows, "ada", by="test", now=web.clock.now()), tell=TOPICS
        )
        await page.goto(f"{elsewhere.url}/authorize")
        await page.evaluate(f"location.href = '{web.url}/login?token={secret}'")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(f"{web.url}/")
        await expect(page.get_by_role("link", name="ada")).to_be_visible()


async def test_a_provider_on_another_site_signs_somebody_in(page: Page, tmp_path: Path) -> None:
    async with (
        providing("localhost") as provider,
        running(tmp_path, settings=settings_for(provider, tmp_path)) as web,
    ):
        await page.goto(f"{web.url}/incidents?status=escalated")
        await page.get_by_role("link", name="Sign in through").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(page).to_have_url(f"{web.url}/incidents?status=escalated")
        await expect(page.get_by_role("link", name="grace")).to_be_visible()
