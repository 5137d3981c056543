from datetime import timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.account import Account, Role
from devops_agent.store import Store, accounts, tokens
from devops_agent.store.rows import Rows
from devops_agent.store.tokens import Token

LATER = START + timedelta(days=1)
ADA = Account(name="Ada", role=Role.OPERATOR, created_at=START)


async def test_an_account_is_kept_as_it_is(store: Store) -> None:
    def work(rows: Rows) -> list[Account]:
        assert accounts.add(rows, ADA)
        accounts.set_role(rows, "Ada", Role.ADMIN)
        accounts.set_password(rows, "Ada", "$argon2id$...")
        accounts.saw(rows, "Ada", now=LATER)
        return accounts.all_(rows)

    assert await store.write(work) == [ADA.with_(role=Role.ADMIN, has_password=True, seen_at=LATER)]


async def test_a_name_is_taken_in_whichever_case(store: Store) -> None:
    assert await store.write(lambda rows: accounts.add(rows, ADA))
    assert not await store.write(lambda rows: accounts.add(rows, ADA.with_(name="aDA")))
    assert await store.read(lambda rows: accounts.get(rows, "ADA")) == ADA


async def test_somebody_at_a_provider_has_one_account(store: Store) -> None:
    known = ADA.with_(subject="https://sso.example 7")
    assert await store.write(lambda rows: accounts.add(rows, known))
    assert not await store.write(lambda rows: accounts.add(rows, known.with_(name="bob")))
    assert await store.write(lambda rows: accounts.add(rows, ADA.with_(name="carl")))
    assert await store.write(lambda rows: accounts.add(rows, ADA.with_(name="dora")))
    assert await store.read(lambda rows: accounts.of_subject(rows, known.subject)) == known


async def test_the_hash_of_a_disabled_account_fits_nothing(store: Store) -> None:
    def work(rows: Rows) -> list[str]:
        accounts.add(rows, ADA)
        accounts.set_password(rows, "Ada", "hash")
        found = [accounts.password_of(rows, name) for name in ("ada", "nobody")]
        accounts.set_disabled(rows, "Ada", disabled=True)
        return [*found, accounts.password_of(rows, "Ada")]

    assert await store.write(work) == ["hash", "", ""]


@pytest.mark.parametrize(
    ("scope", "role", "left"),
    [
        ("admin", Role.OPERATOR, "operate"),
        ("admin", Role.VIEWER, "read"),
        ("read", Role.VIEWER, "read"),
        ("alerts", Role.OPERATOR, "alerts"),
        ("alerts", Role.VIEWER, None),
    ],
)
async def test_a_token_allows_no_more_than_its_accounts_role(
    store: Store, scope: str, role: Role, left: str | None
) -> None:
    def work(rows: Rows) -> Token | None:
        accounts.add(rows, ADA.with_(role=Role.ADMIN))
        _, secret = tokens.create(rows, "Ada/x", scope=scope, now=START, account="Ada")
        accounts.set_role(rows, "Ada", role)
        return tokens.find(rows, secret, now=START)

    found = await store.write(work)
    assert (found.scope if found else None) == left


async def test_a_token_is_dead_while_its_account_is_disabled_or_not_there(store: Store) -> None:
    def work(rows: Rows) -> list[Token | None]:
        accounts.add(rows, ADA)
        accounts.set_disabled(rows, "Ada", disabled=True)
        _, first = tokens.create(rows, "Ada/x", scope="read", now=START, account="Ada")
        _, second = tokens.create(rows, "bob/x", scope="read", now=START, account="bob")
        return [tokens.find(rows, secret, now=START) for secret in (first, second)]

    assert await store.write(work) == [None, None]


async def test_only_the_named_kinds_of_an_accounts_tokens_end(store: Store) -> None:
    def work(rows: Rows) -> list[str]:
        accounts.add(rows, ADA)
        kept, _ = tokens.create(rows, "session-1", scope="read", now=START, account="Ada")
        for name in ("session-2", "login-account Ada", "Ada/x"):
            tokens.create(rows, name, scope="read", now=START, account="Ada")
        tokens.create(rows, "session-3", scope="read", now=START)
        assert tokens.revoke_of(rows, "Ada", now=LATER, prefixes=("session-", "login-"), but=kept.id) == 2
        return [one.name for one in tokens.all_(rows) if one.lives(LATER)]

    assert sorted(await store.write(work)) == ["Ada/x", "session-1", "session-3"]
