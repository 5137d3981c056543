"""What the first start leaves behind."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devops_agent.app import first
from devops_agent.config.settings import Settings
from devops_agent.model.account import Account, Role
from devops_agent.store import accounts, events, open_store, tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_the_first_start_makes_an_administrator_whose_link_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        with caplog.at_level(logging.INFO):
            await first.account(store, page="https://ops.example", now=NOW)
            await first.account(store, page="https://ops.example", now=NOW)
        links = [record.link for record in caplog.records if hasattr(record, "link")]
        assert len(links) == 1
        start, _, secret = str(links[0]).partition("?token=")
        assert start == "https://ops.example/login"
        found = await store.read(lambda rows: tokens.find(rows, secret, now=NOW))
        assert found is not None
        assert (found.account, found.scope) == ("admin", "admin")
        kept = await store.read(accounts.all_)
        assert kept == [Account(name="admin", role=Role.ADMIN, created_at=NOW)]
        told = await store.read(events.latest)
        assert [one.actor for one in told] == ["web", "web"]
        assert secret not in repr(told)


async def test_where_there_are_accounts_none_is_made(tmp_path: Path) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        one = Account(name="ada", role=Role.VIEWER, created_at=NOW)
        await store.write(lambda rows: accounts.add(rows, one))
        await first.account(store, page="", now=NOW)
        assert await store.read(accounts.all_) == [one]


async def test_the_owners_token_is_made_once_and_only_its_file_holds_it(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path / "state"))
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        await first.tokens(store, settings, now=NOW)
        file = tmp_path / "state" / first.FILE
        secret = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        await first.tokens(store, settings, now=NOW)
        assert file.read_text().strip() == secret
        found = await store.read(lambda rows: tokens.find(rows, secret, now=NOW))
        assert found is not None
        assert (found.name, found.scope) == ("owner", "admin")
