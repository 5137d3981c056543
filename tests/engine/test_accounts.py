"""What people tell the agent about accounts, and what it does not let them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.engine import accounts
from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.kit.testing import START
from devops_agent.model.account import Role
from devops_agent.store import accounts as kept
from devops_agent.store import events, open_store, tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

BY = "cli:root"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with one administrator."""
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        await store.write(lambda rows: accounts.add(rows, "ada", Role.ADMIN, by=BY, now=START))
        yield store


async def refused(store: Store, work: Callable[[Rows], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        await store.write(work)
    return str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "<b>", "é", "a" * 64, "a\n", "-a", "login-x y"])
async def test_names_are_plain(store: Store, name: str) -> None:
    assert "cannot name" in await refused(store, lambda rows: accounts.add(rows, name, Role.VIEWER, by=BY, now=START))


async def test_the_last_administrator_cannot_be_lost(store: Store) -> None:
    says = await refused(store, lambda rows: accounts.set_role(rows, "ada", Role.VIEWER, by=BY, now=START))
    assert says == "ada is the last administrator; make somebody else one first"
    assert "last" in await refused(
        store, lambda rows: accounts.set_disabled(rows, "ada", disabled=True, by=BY, now=START)
    )
    await store.write(lambda rows: accounts.add(rows, "bob", Role.ADMIN, by=BY, now=START))
    await store.write(lambda rows: accounts.set_disabled(rows, "ada", disabled=True, by=BY, now=START))
    assert "last" in await refused(store, lambda rows: accounts.set_role(rows, "bob", Role.OPERATOR, by=BY, now=START))


async def test_another_role_ends_sessions_and_links_but_leaves_tokens(store: Store) -> None:
    def work(rows: Rows) -> list[str]:
        accounts.add(rows, "bob", Role.OPERATOR, by=BY, now=START)
        accounts.make_link(rows, "bob", by=BY, now=START)
        accounts.make_token(rows, "ci", scope="operate", by=BY, now=START, account="bob")
        tokens.create(rows, "session-1 as bob", scope="operate", now=START, account="bob")
        accounts.set_role(rows, "bob", Role.VIEWER, by=BY, now=START, comment="too much")
        return [f"{one.name} {one.scope}" for one in tokens.of_account(rows, "bob", now=START)]

    assert await store.write(work) == ["bob/ci read"]
    told = await store.read(lambda rows: events.latest(rows, limit=1))
    assert told[0].says == "cli:root made bob viewer, was operator — too much"
    assert (told[0].actor, told[0].data) == (BY, {"account": "bob"})


async def test_what_a_disabled_account_had_does_not_come_back_with_it(store: Store) -> None:
    def work(rows: Rows) -> list[object]:
        accounts.add(rows, "bob", Role.OPERATOR, by=BY, now=START)
        accounts.make_token(rows, "ci", scope="operate", by=BY, now=START, account="bob")
        accounts.set_disabled(rows, "bob", disabled=True, by=BY, now=START)
        accounts.set_disabled(rows, "bob", disabled=False, by=BY, now=START)
        return list(tokens.of_account(rows, "bob", now=START))

    assert await store.write(work) == []


async def test_a_disabled_account_gets_no_link(store: Store) -> None:
    await store.write(lambda rows: accounts.add(rows, "bob", Role.OPERATOR, by=BY, now=START))
    await store.write(lambda rows: accounts.set_disabled(rows, "bob", disabled=True, by=BY, now=START))
    assert "account enable bob" in await refused(store, lambda rows: accounts.make_link(rows, "bob", by=BY, now=START))


async def test_a_new_link_ends_the_earlier_one(store: Store) -> None:
    first = await store.write(lambda rows: accounts.make_link(rows, "ada", by=BY, now=START))
    await store.write(lambda rows: accounts.make_link(rows, "ada", by=BY, now=START))
    assert await store.read(lambda rows: tokens.find(rows, first, now=START)) is None


@pytest.mark.parametrize("scope", ["operate", "admin", "alerts"])
async def test_nobody_makes_a_token_above_their_role(store: Store, scope: str) -> None:
    await store.write(lambda rows: accounts.add(rows, "eve", Role.VIEWER, by=BY, now=START))
    says = await refused(
        store, lambda rows: accounts.make_token(rows, "x", scope=scope, by=BY, now=START, account="eve")
    )
    assert says == f"eve is viewer; a token of that account cannot have {scope}"


async def test_tokens_of_accounts_do_not_take_each_others_names(store: Store) -> None:
    def work(rows: Rows) -> list[str]:
        accounts.add(rows, "bob", Role.OPERATOR, by=BY, now=START)
        return [
            accounts.make_token(rows, "laptop", scope="read", by=BY, now=START, account=name)[0].name
            for name in ("ada", "bob", "")
        ]

    assert await store.write(work) == ["ada/laptop", "bob/laptop", "laptop"]


async def test_who_comes_through_a_provider_is_known_by_subject_and_not_by_name(store: Store) -> None:
    def meet(rows: Rows, name: str, role: Role, subject: str) -> str:
        return accounts.meet(rows, name, role, subject=subject, now=START).name

    assert "there is an account 'ada' already" in await refused(
        store, lambda rows: meet(rows, "ada", Role.ADMIN, "https://sso 1")
    )
    assert await store.write(lambda rows: meet(rows, "grace", Role.VIEWER, "https://sso 2")) == "grace"
    assert await store.write(lambda rows: meet(rows, "renamed", Role.OPERATOR, "https://sso 2")) == "grace"
    found = await store.read(lambda rows: kept.get(rows, "grace"))
    assert found is not None
    assert found.role is Role.OPERATOR
    assert "identity provider" in await refused(store, lambda rows: accounts.make_link(rows, "grace", by=BY, now=START))
    assert "changed there" in await refused(
        store, lambda rows: accounts.set_password(rows, "grace", "hash", by=BY, now=START)
    )
    await store.write(lambda rows: accounts.set_disabled(rows, "grace", disabled=True, by=BY, now=START))
    assert "disabled" in await refused(store, lambda rows: meet(rows, "grace", Role.ADMIN, "https://sso 2"))


async def test_commands_about_nobody_say_so(store: Store) -> None:
    with pytest.raises(NotFoundError, match="account list"):
        await store.write(lambda rows: accounts.set_role(rows, "nobody", Role.ADMIN, by=BY, now=START))
    with pytest.raises(NotFoundError, match="token list"):
        await store.write(lambda rows: accounts.revoke_token(rows, "nobody", by=BY, now=START + timedelta(days=1)))
