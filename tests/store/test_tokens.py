from datetime import timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.account import SCOPES
from devops_agent.store import Store, tokens
from devops_agent.store.rows import StoreError
from devops_agent.store.tokens import Token

LATER = START + timedelta(days=1)


async def test_a_token_is_found_by_its_secret_only(store: Store) -> None:
    made, secret = await store.write(lambda rows: tokens.create(rows, "ci", scope="read", now=START))
    assert made == Token(id="TOK-1", name="ci", scope="read", created_at=START)
    assert await store.read(lambda rows: tokens.find(rows, secret, now=START)) == made
    for wrong in (
        secret[:-1],
        secret + "x",
        secret.upper(),
        "",
        "ci",
        "TOK-1",
        "' OR 1=1 --",
        "\x00",
        "\ud800",
        "é" * 9000,
    ):
        assert await store.read(lambda rows, wrong=wrong: tokens.find(rows, wrong, now=START)) is None  # type: ignore[misc]


async def test_the_secret_is_nowhere_in_the_database(store: Store) -> None:
    _, secret = await store.write(lambda rows: tokens.create(rows, "ci", scope="read", now=START))
    rows = await store.read(lambda rows: [dict(row) for row in rows.all("SELECT * FROM tokens")])
    assert len(rows) == 1
    assert secret not in repr(rows)
    assert secret.removeprefix("da_") not in repr(rows)


async def test_no_two_secrets_are_the_same(store: Store) -> None:
    made = [
        (await store.write(lambda rows, n=n: tokens.create(rows, f"t{n}", scope="read", now=START)))[1]  # type: ignore[misc]
        for n in range(20)
    ]
    assert len(set(made)) == 20
    assert min(map(len, made)) >= 43


async def test_a_token_lives_until_its_expiry(store: Store) -> None:
    _, secret = await store.write(lambda rows: tokens.create(rows, "ci", scope="read", now=START, expires_at=LATER))
    assert await store.read(lambda rows: tokens.find(rows, secret, now=LATER - timedelta(seconds=1)))
    assert await store.read(lambda rows: tokens.find(rows, secret, now=LATER)) is None
    assert not await store.write(lambda rows: tokens.revoke(rows, "ci", now=LATER))


async def test_a_revoked_token_opens_nothing(store: Store) -> None:
    _, secret = await store.write(lambda rows: tokens.create(rows, "ci", scope="admin", now=START))
    assert await store.write(lambda rows: tokens.revoke(rows, "ci", now=LATER))
    assert not await store.write(lambda rows: tokens.revoke(rows, "ci", now=LATER))
    assert await store.read(lambda rows: tokens.find(rows, secret, now=LATER)) is None
    (listed,) = await store.read(tokens.all_)
    assert listed.revoked_at == LATER


async def test_a_given_secret_replaces_the_one_of_the_same_name(store: Store) -> None:
    for secret in ("first", "second"):
        await store.write(
            lambda rows, secret=secret: tokens.keep(rows, "file", secret=secret, scope="alerts", now=START)  # type: ignore[misc]
        )
    assert await store.read(lambda rows: tokens.find(rows, "first", now=START)) is None
    assert await store.read(lambda rows: tokens.find(rows, "second", now=START))
    assert [token.id for token in await store.read(tokens.all_)] == ["TOK-2"]


async def test_two_names_cannot_share_a_secret(store: Store) -> None:
    await store.write(lambda rows: tokens.keep(rows, "one", secret="same", scope="read", now=START))
    with pytest.raises(StoreError):
        await store.write(lambda rows: tokens.keep(rows, "two", secret="same", scope="admin", now=START))


async def test_an_unknown_scope_is_refused_with_the_known_ones(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no scope 'root' for token 'ci'; known: alerts, read, operate, admin"):
        await store.write(lambda rows: tokens.create(rows, "ci", scope="root", now=START))


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("alerts", {"alerts"}),
        ("read", {"read"}),
        ("operate", {"alerts", "read", "operate"}),
        ("admin", {"alerts", "read", "operate", "admin"}),
    ],
)
def test_a_scope_allows_these(scope: str, allowed: set[str]) -> None:
    token = Token(id="TOK-1", name="ci", scope=scope, created_at=START)
    assert {asked for asked in SCOPES if token.allows(asked)} == allowed
