import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from devops_agent.kit.testing import START
from devops_agent.store import Store, events, open_store
from devops_agent.store.rows import Rows
from tests.store.connecting import connect
from tests.store.test_durability import cut_connections

WITHIN = 30.0
"""Seconds that nothing here takes: it only keeps a test that would never end from hanging."""


def add(rows: Rows) -> int:
    return events.add(rows, "told", "x", at=START)


async def heard(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), WITHIN)


@pytest.fixture
async def other(store: Store, url: str) -> AsyncIterator[Store]:
    async with await open_store(url) as opened:
        yield opened


async def test_who_waits_in_the_same_process_hears_at_once(store: Store) -> None:
    bell = store.bell.on("runs")
    await store.write(add, tell=["runs"])
    assert bell.is_set()


async def test_another_process_hears_what_it_waits_for_and_nothing_else(store: Store, other: Store) -> None:
    wanted, unwanted = other.bell.on("runs", "events"), other.bell.on("alerts")
    await store.write(add, tell=["runs"])
    await heard(wanted)
    wanted.clear()
    await store.write(add, tell=["events", "unheard of"])
    await heard(wanted)
    assert not unwanted.is_set()


async def test_who_hears_sees_the_rows(store: Store, other: Store) -> None:
    bell = other.bell.on("events")
    for number in range(1, 11):
        await store.write(add, tell=["events"])
        await heard(bell)
        bell.clear()
        assert (await other.read(events.head))[0] >= number


async def test_nothing_rings_when_the_work_failed(store: Store, other: Store) -> None:
    def fail(rows: Rows) -> None:
        raise LookupError("not written")

    bell, last = other.bell.on("runs"), other.bell.on("last")
    with pytest.raises(LookupError):
        await store.write(fail, tell=["runs"])
    await store.write(add, tell=["last"])
    await heard(last)
    assert not bell.is_set()


async def test_who_listens_no_more_is_not_woken(store: Store) -> None:
    gone, stays = store.bell.on("runs"), store.bell.on("runs")
    store.bell.off(gone)
    await store.write(add, tell=["runs"])
    assert (gone.is_set(), stays.is_set()) == (False, True)


RING = """
import asyncio, sys
from datetime import UTC, datetime
from devops_agent.store import events, open_store

async def main():
    async with await open_store(sys.argv[1]) as store:
        await store.write(lambda rows: events.add(rows, "told", "x", at=datetime.now(UTC)), tell=["runs"])

asyncio.run(main())
"""


async def test_a_ring_from_another_process_is_heard(store: Store, url: str) -> None:
    bell = store.bell.on("runs")
    ringer = await asyncio.create_subprocess_exec(sys.executable, "-c", RING, url)
    await heard(bell)
    assert await ringer.wait() == 0


async def test_paths_longer_than_a_socket_may_have_work(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 30)
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder}/agent.db"
    async with await open_store(url) as one, await open_store(url) as other:
        bell = other.bell.on("runs")
        await one.write(add, tell=["runs"])
        await heard(bell)


DIE = """
import asyncio, os, sys
from devops_agent.store import open_store

async def main():
    store = await open_store(sys.argv[1])
    os._exit(9)

asyncio.run(main())
"""


async def test_sockets_of_dead_processes_are_cleared_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/agent.db"
    bells = tmp_path / "agent.db.bells"
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", DIE, url], check=False)
    assert ended.returncode == 9
    assert len(list(bells.iterdir())) == 1
    async with await open_store(url) as store:
        assert len(list(bells.iterdir())) == 2
        await store.write(add, tell=["runs"])
        async with await open_store(url) as other:
            last = store.bell.on("last")
            await other.write(add, tell=["last"])
            await heard(last)
            assert len(list(bells.iterdir())) == 2
    assert list(bells.iterdir()) == []


async def test_a_full_socket_stops_nobody(tmp_path: Path) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        deaf = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DEAF, str(tmp_path / "agent.db.bells"), stdout=subprocess.PIPE
        )
        assert deaf.stdout is not None
        assert await deaf.stdout.readline() == b"deaf\n"
        await asyncio.gather(*(store.write(add, tell=["runs"]) for _ in range(500)))
        for _ in range(50):
            await store.write(add, tell=["runs"])
        deaf.kill()
        await deaf.wait()


DEAF = """
import os, signal, socket, sys
os.chdir(sys.argv[1])
deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
deaf.bind("deaf")
print("deaf", flush=True)
signal.pause()
"""


async def test_a_folder_of_bells_that_was_deleted_does_not_make_a_write_fail(tmp_path: Path) -> None:
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        for path in (tmp_path / "agent.db.bells").iterdir():
            path.unlink()
        (tmp_path / "agent.db.bells").rmdir()
        assert await store.write(add, tell=["runs"]) == 1


@pytest.mark.real
async def test_a_lost_connection_is_listened_on_again_and_what_was_missed_is_made_up_for(postgres_url: str) -> None:
    async with await open_store(postgres_url) as store:
        bell = store.bell.on("runs")
        await asyncio.to_thread(cut_connections, postgres_url)
        await heard(bell)  # whatever was rung in between: it is as if it had been heard
        bell.clear()
        async with await open_store(postgres_url) as other:
            await other.write(add, tell=["runs"])
            await heard(bell)


@pytest.mark.real
async def test_listening_goes_on_when_the_server_was_away_for_a_while(postgres_url: str) -> None:
    async with await open_store(postgres_url) as store:
        bell = store.bell.on("runs")
        name = postgres_url.rpartition("/")[2]
        with closing(connect(f"{postgres_url.rpartition('/')[0]}/postgres")) as server:
            server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            server.all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name", name=name)
            await asyncio.sleep(0.5)  # long enough for tries that fail; the rule holds without them too
            assert not bell.is_set()
            server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await heard(bell)


@pytest.mark.real
async def test_closing_ends_the_search_for_a_lost_server(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    await asyncio.to_thread(cut_connections, postgres_url)
    await store.close()
