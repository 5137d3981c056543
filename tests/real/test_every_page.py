"""Every page in a real browser, light and dark, on a desk and on a phone: it fits, is quiet, and anybody can use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute
from playwright.async_api import expect

from devops_agent.web import pages
from tests.real.browsing import open_page, started
from tests.web import crowd, richer, seed
from tests.web.serving import Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

_NO_PAGES = {"/login/oidc", "/login/oidc/back", "/openapi.json", "/audit/export"}
_OF_ONE = (
    "/incidents/INC-1", "/incidents/INC-2", "/incidents/INC-3", "/incidents/INC-4", "/targets/search",
    "/targets/checkout", "/audit?verify=1", "/incidents?status=escalated", "/targets?q=nobody",
    "/incidents/INC-3?similar=1", "/incidents/INC-1/post-mortem", "/runbooks/service-down?incident=INC-1",
    "/runbooks/drafts/memory-pressure-docker-restart", "/silences?matchers=a%3Db", "/reports/weekly",
)  # fmt: skip
_JUDGED_BY = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_JUDGE = """async (tags) => (await axe.run({ runOnly: { type: "tag", values: tags } })).violations.map((one) => (
  { id: one.id, impact: one.impact, nodes: one.nodes.map((node) => `${node.html} ${node.failureSummary}`) }))"""


def places() -> list[str]:
    """Return the paths of all pages, found where they are registered, and of some that need a name."""
    routes = [route for router in pages.routers() for route in router.routes if isinstance(route, APIRoute)]
    plain = {route.path for route in routes if "GET" in (route.methods or ()) and "{" not in route.path}
    return [*sorted(plain - _NO_PAGES), *_OF_ONE]


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Running]:
    """Serve a store that looks like a working week into which somebody has looked closely."""
    async with running(tmp_path) as web:
        await web.store.write(lambda rows: seed.fill(rows, web.clock.now()))
        await web.store.write(lambda rows: richer.deepen(rows, web.clock.now()), tell=("events",))
        yield web


async def judged(page: Page, axe: str) -> list[str]:
    """Return the serious and critical findings of axe-core on a page."""
    await page.evaluate(axe)
    found: list[dict[str, Any]] = await page.evaluate(_JUDGE, list(_JUDGED_BY))
    grave = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [f"{one['id']}: {node}" for one in grave for node in one["nodes"][:3]]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
async def test_every_page_can_be_used_by_anybody_fits_and_leaves_the_console_quiet(
    web: Running, chromium: str, axe: str, *, width: int, dark: bool
) -> None:
    async with started(chromium) as browser:
        page, complaints = await open_page(browser, web, width=width, dark=dark, scope="admin")
        found: list[str] = []
        for path in places():
            await page.goto(web.url + path)
            await expect(page.locator("h1").first).to_be_attached()
            await page.evaluate('for (const one of document.querySelectorAll("main details")) one.open = true')
            found += [f"{path}: {one}" for one in await judged(page, axe)]
            over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{path}: {over} pixels too wide"] if over > 0 else []
        assert not found, "\n".join(found)
        assert complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
async def test_a_large_site_can_be_used_by_anybody_too(
    tmp_path: Path, chromium: str, axe: str, *, width: int, dark: bool
) -> None:
    async with running(tmp_path) as web, started(chromium) as browser:
        await crowd.fill(web.store, web.clock.now(), targets_=120, incidents_=400)
        page, complaints = await open_page(browser, web, width=width, dark=dark)
        found: list[str] = []
        for path in ("/", "/targets", "/targets/service-000", "/incidents", "/approvals", "/learning"):
            await page.goto(web.url + path)
            await page.evaluate('for (const one of document.querySelectorAll("main details")) one.open = true')
            found += [f"{path}: {one}" for one in await judged(page, axe)]
        assert not found, "\n".join(found)
        assert complaints == []


async def test_a_grid_of_targets_is_one_stop_and_arrows_move_within(tmp_path: Path, chromium: str) -> None:
    async with running(tmp_path) as web, started(chromium) as browser:
        await crowd.fill(web.store, web.clock.now(), targets_=60, incidents_=3)
        page, _ = await open_page(browser, web)
        await page.locator(".c-well a").first.focus()
        await page.keyboard.press("ArrowRight")
        second = await page.evaluate("document.activeElement.title")
        assert second == await page.locator(".c-well a").nth(1).get_attribute("title")
        await page.keyboard.press("End")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{web.url}/targets/service-059")
