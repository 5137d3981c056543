"""A real browser, logged in, that notes whatever it complains of."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright, expect

from tests.web.serving import SECRETS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.web.serving import Running

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


@asynccontextmanager
async def started(chromium: str) -> AsyncIterator[Browser]:
    """Start Debian's Chromium; it ends with the block."""
    async with async_playwright() as tool:
        browser = await tool.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


async def open_page(
    browser: Browser, web: Running, *, width: int = 1280, dark: bool = False, scope: str = "operate"
) -> tuple[Page, list[str]]:
    """Open the overview, logged in; return it with a list that fills with whatever the browser complains of.

    Requests that leave the application are among the complaints.
    """
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    await context.request.post(f"{web.url}/login", form={"token": SECRETS[scope]}, max_redirects=0)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(web.url) else None)
    await page.goto(f"{web.url}/")
    await expect(page.locator("#live")).to_have_text("live")
    return page, complaints
