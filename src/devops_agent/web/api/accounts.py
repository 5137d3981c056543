"""Who may sign in, and who asks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path

from devops_agent.engine import accounts
from devops_agent.model.account import role_of
from devops_agent.store import accounts as kept
from devops_agent.store.rows import Rows
from devops_agent.web import bodies, schemas
from devops_agent.web.asking import Administrator, Asker, DeskOf, needs, problems

router = APIRouter(prefix="/api/v1", tags=["accounts"])

Name = Annotated[str, Path(max_length=63, examples=["ada"])]


class Account(schemas.Shape):
    """Somebody who may sign in."""

    name: str
    role: str
    """`viewer`, `operator` or `admin`."""
    created_at: datetime
    seen_at: datetime | None
    """When they last signed in."""
    disabled: bool
    has_password: bool
    subject: str
    """Issuer and subject at the identity provider; empty: they sign in here."""


class Link(schemas.Shape):
    """Where somebody signs in once."""

    path: str
    """On the page's address; nobody can read it again."""
    expires_at: datetime


class Me(schemas.Shape):
    """Who asks."""

    name: str
    """The token's."""
    scope: str
    account: str
    """Whose token it is; empty: nobody's."""
    role: str
    """What a person needs to be to do as much."""


@router.get("/me", responses=problems())
async def me(asker: Asker) -> Me:
    """Tell who asks, and what they may do."""
    return Me(name=asker.name, scope=asker.scope, account=asker.account, role=role_of(asker.scope))


@router.get("/accounts", responses=problems(), dependencies=[needs("admin")])
async def accounts_(desk: DeskOf) -> schemas.Page[Account]:
    """List accounts by name."""
    found = await desk.read(kept.all_)
    return schemas.Page(items=[Account.model_validate(one) for one in found])


@router.post("/accounts", status_code=201, responses=problems(409))
async def add(desk: DeskOf, asked: bodies.AccountAsked, once: Administrator) -> Account:
    """Make an account; its owner signs in first by a link."""
    now = desk.parts.clock.now()
    made = await desk.command(
        lambda rows: accounts.add(rows, asked.name, asked.role, by=once.by, now=now), once=once, topics=accounts.TOPICS
    )
    return Account.model_validate(made)


@router.patch("/accounts/{name}", responses=problems(404, 409))
async def change(desk: DeskOf, name: Name, asked: bodies.AccountChangeAsked, once: Administrator) -> Account:
    """Give an account another role, which ends its sessions; disable it, which ends its tokens too; or enable it."""
    now = desk.parts.clock.now()

    def work(rows: Rows) -> Account:
        if asked.role is not None:
            accounts.set_role(rows, name, asked.role, by=once.by, comment=asked.comment, now=now)
        if asked.disabled is not None:
            accounts.set_disabled(rows, name, disabled=asked.disabled, by=once.by, comment=asked.comment, now=now)
        return Account.model_validate(accounts.get(rows, name))

    return await desk.command(work, once=once, topics=accounts.TOPICS)


@router.post("/accounts/{name}/links", status_code=201, responses=problems(404, 409))
async def link(desk: DeskOf, name: Name, once: Administrator) -> Link:
    """Make a link by which an account's owner signs in once; an earlier one ends."""
    now = desk.parts.clock.now()
    secret = await desk.command(
        lambda rows: accounts.make_link(rows, name, by=once.by, now=now), once=once, topics=accounts.TOPICS
    )
    return Link(path=f"/login?token={quote(secret)}", expires_at=now + accounts.LINK_LASTS)


@router.delete("/accounts/{name}/sessions", status_code=204, responses=problems(404))
async def end_sessions(desk: DeskOf, name: Name, once: Administrator) -> None:
    """Sign an account out everywhere."""
    now = desk.parts.clock.now()
    await desk.command(
        lambda rows: accounts.end_sessions(rows, name, by=once.by, now=now), once=once, topics=accounts.TOPICS
    )
