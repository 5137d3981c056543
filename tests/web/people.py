"""People with accounts, and their browsers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devops_agent.engine import accounts
from devops_agent.model.account import Role
from devops_agent.store import accounts as kept
from devops_agent.web.passwords import hash_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.store.rows import Rows
    from tests.web.serving import Answer, Running

PASSWORD = "correct horse battery"
HASHED = hash_password(PASSWORD)
"""Made once: hashing takes a while on purpose."""
TOPICS = accounts.TOPICS


async def add(web: Running, name: str, role: Role = Role.OPERATOR, *, password: bool = False) -> None:
    """Make an account, with PASSWORD or without any."""

    def work(rows: Rows) -> None:
        accounts.add(rows, name, role, by="test", now=web.clock.now())
        if password:
            kept.set_password(rows, name, HASHED)

    await web.store.write(work, tell=TOPICS)


async def browser_of(web: Running, name: str, role: Role | None = None) -> dict[str, str]:
    """Return the headers of a browser in which somebody has signed in by a link; with a `role` they are made first."""
    if role is not None:
        await add(web, name, role)
    secret = await web.store.write(
        lambda rows: accounts.make_link(rows, name, by="test", now=web.clock.now()), tell=TOPICS
    )
    return cookies(await web.get(f"/login?token={secret}", scope=""))


async def sign_in(web: Running, name: str, password: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send the form of the sign-in page."""
    return await web.post("/login", data={"name": name, "password": password}, scope="", headers=headers)


def cookies(answer: Answer) -> dict[str, str]:
    """Return the headers of a browser that keeps what an answer set."""
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}


async def form_key(web: Running, browser: Mapping[str, str]) -> str:
    """Return what forms of this session carry."""
    found = re.search(r'name="form_key" value="([0-9a-f]{64})"', (await page(web, "/account", browser)).text)
    assert found
    return found.group(1)


async def page(web: Running, path: str, browser: Mapping[str, str]) -> Answer:
    return await web.get(path, scope="", headers=browser)


async def submit(web: Running, path: str, browser: Mapping[str, str], **fields: str) -> Answer:
    """Send a form of the page, with its key unless another is given."""
    key = fields.pop("form_key", None)
    data = {**fields, "form_key": await form_key(web, browser) if key is None else key}
    return await web.post(path, data=data, headers=browser, scope="")
