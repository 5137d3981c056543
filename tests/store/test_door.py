import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_agent.kit.testing import START
from devops_agent.store import Store, events, open_store
from devops_agent.store.rows import StoreBusyError, StoreError
from tests.store.connecting import connect


@pytest.mark.parametrize("url", ["agent.db", "mysql://root:hunter2@db/agent", "sqlite://agent.db", "sqlite:///", ""])
async def test_a_wrong_url_is_refused_with_the_way_out_and_without_its_password(url: str) -> None:
    with pytest.raises(StoreError, match=r"write sqlite:///path/to/agent\.db") as caught:
        await open_store(url)
    assert "hunter2" not in str(caught.value)


async def test_a_relative_path_is_taken_from_where_the_program_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with await open_store("sqlite:///data/agent.db"):
        assert (tmp_path / "data" / "agent.db").is_file()


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/data/agent.db") as store:
        await store.write(lambda rows: events.add(rows, "told", "secret", at=START))
        paths = [tmp_path / "data", *(tmp_path / "data").iterdir()]
        assert {path.name for path in paths} == {"data", "agent.db", "agent.db-wal", "agent.db-shm", "agent.db.bells"}
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths} == {0}


async def test_what_was_written_is_there_when_it_is_opened_again(url: str) -> None:
    for number in range(3):
        async with await open_store(url) as store:
            assert await store.write(lambda rows: events.add(rows, "told", "x", at=START)) == number + 1


async def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    async with await open_store(url) as store:
        await store.write(lambda rows: rows.run("INSERT INTO migrations (number, name) VALUES (9999, 'later')"))
    with pytest.raises(StoreError, match=r"it has schema 9999, this version knows .*; update devops-agent"):
        await open_store(url)


async def test_many_processes_may_open_a_new_database_at_once(sqlite_url: str) -> None:
    opened = await asyncio.gather(*(open_store(sqlite_url) for _ in range(12)))
    await asyncio.gather(*(store.write(lambda rows: events.add(rows, "told", "x", at=START)) for store in opened))
    assert await opened[0].read(events.head) == await opened[-1].read(events.head)
    await asyncio.gather(*(store.close() for store in opened))


@pytest.mark.real
async def test_many_processes_may_open_a_new_postgresql_database_at_once(postgres_url: str) -> None:
    def empty() -> None:
        opened = connect(postgres_url)
        opened.run("DROP SCHEMA public CASCADE")
        opened.run("CREATE SCHEMA public")
        opened.close()

    await asyncio.to_thread(empty)
    opened = await asyncio.gather(*(open_store(postgres_url) for _ in range(6)))
    assert {await store.read(events.head) for store in opened} == {(0, "0" * 64)}
    await asyncio.gather(*(store.close() for store in opened))


async def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    path.write_bytes(b"not a database at all, but long enough to have a header" * 100)
    with pytest.raises(StoreError, match=r"agent\.db.*not a database.*restore a backup") as caught:
        await open_store(f"sqlite:///{path}")
    assert not isinstance(caught.value, StoreBusyError)


async def test_a_damaged_page_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    url = f"sqlite:///{path}"
    async with await open_store(url) as store:
        for _ in range(20):
            await store.write(lambda rows: events.add(rows, "told", "x" * 10_000, at=START))
    content = bytearray(path.read_bytes())
    damaged = len(content) // 4
    content[-damaged:] = os.urandom(damaged)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"malformed.*restore a backup|Could not decode"):
        async with await open_store(url) as store:
            await store.read(lambda rows: rows.all("SELECT * FROM events"))


async def test_a_path_through_a_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot open the store: .*File exists"):
        await open_store(f"sqlite:///{tmp_path}/data/agent.db")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach; pytest's own are for its user only."""
    with tempfile.TemporaryDirectory(prefix="store-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


OPEN = """
import asyncio, os, sys
from devops_agent.store import open_store
from devops_agent.store.rows import StoreError

async def main(url):
    await (await open_store(url)).close()

asyncio.run(main(sys.argv[2]))  # loads all that is needed, while this user may still read it
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(main(sys.argv[1]))
except StoreError as error:
    print(f"refused: {error}")
"""


@pytest.mark.parametrize("before", ["nothing", "a database"])
async def test_a_folder_that_may_not_be_written_is_told_as_such(
    public_folder: Path, tmp_path: Path, before: str
) -> None:
    folder = public_folder / "data"
    folder.mkdir()
    if before == "a database":
        await (await open_store(f"sqlite:///{folder}/agent.db")).close()
    for path in [*folder.iterdir(), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", OPEN, f"sqlite:///{folder}/agent.db", f"sqlite:///{tmp_path}/other.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "refused: cannot" in done.stdout, done.stderr
    assert "give this user the right to write" in done.stdout


@pytest.mark.real
async def test_a_postgresql_that_is_not_there_may_be_there_later() -> None:
    with pytest.raises(StoreBusyError, match=r"cannot connect to PostgreSQL"):
        await open_store("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.real
async def test_a_postgresql_database_that_would_garble_text_is_refused(postgres_url: str) -> None:
    server = connect(postgres_url)
    server.run("CREATE DATABASE old_words ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match=r"SQL_ASCII: create it with ENCODING 'UTF8'"):
            await open_store(f"{postgres_url.rpartition('/')[0]}/old_words")
    finally:
        server.run("DROP DATABASE old_words")
        server.close()


async def test_an_acknowledged_write_is_on_the_disk(sqlite_url: str) -> None:
    async with await open_store(sqlite_url) as store:
        assert await store.write(lambda rows: rows.one("PRAGMA synchronous")["synchronous"]) == 2  # type: ignore[index]
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


async def test_every_migration_is_noted_once(store: Store) -> None:
    seen = await store.read(
        lambda rows: [row["number"] for row in rows.all("SELECT number FROM migrations ORDER BY 1")]
    )
    assert seen == list(range(1, len(seen) + 1))
