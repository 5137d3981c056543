"""The store when processes are killed, the database is locked, the disk is full, the server goes away."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devops_agent.kit.testing import START
from devops_agent.store import Store, events, open_store
from devops_agent.store.rows import Rows, StoreBusyError
from tests.real.parts import Missing, Postgres, Program
from tests.store.connecting import connect

WRITE = """
import asyncio, sys
from datetime import UTC, datetime
from devops_agent.store import events, open_store

async def write(store, task):
    for number in range(10_000):
        said = f"{task}/{number}"
        await store.write(lambda rows: events.add(rows, "told", said, at=datetime.now(UTC)))
        print(said, flush=True)

async def main():
    store = await open_store(sys.argv[1])
    await asyncio.gather(*(write(store, task) for task in range(50)))

asyncio.run(main())
"""


def add(rows: Rows) -> int:
    return events.add(rows, "told", "x", at=START)


async def start_writing(url: str) -> tuple[asyncio.subprocess.Process, list[str]]:
    """Start a process that writes, and return it with the first writes that it had acknowledged."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE, url, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert writer.stdout is not None
    return writer, [(await writer.stdout.readline()).decode().strip() for _ in range(300)]


async def the_rest(writer: asyncio.subprocess.Process) -> list[str]:
    assert writer.stdout is not None
    whole, _, _ = (await writer.stdout.read()).decode().rpartition("\n")
    await writer.wait()
    return whole.split()


async def test_a_killed_process_loses_no_write_that_was_acknowledged(url: str) -> None:
    writer, acknowledged = await start_writing(url)
    writer.kill()
    acknowledged += await the_rest(writer)
    async with await open_store(url) as store:
        kept = await store.read(lambda rows: {row["says"] for row in rows.all("SELECT says FROM events")})
        assert set(acknowledged) <= kept
        assert await store.read(events.broken_link) is None
        await store.write(add)


@pytest.mark.real
async def test_a_postgresql_that_crashes_loses_no_write_that_was_acknowledged() -> None:
    try:
        cluster = await asyncio.to_thread(Postgres.start, durable=True)
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    try:
        writer, acknowledged = await start_writing(cluster.url)
        await asyncio.to_thread(cluster.kill)
        acknowledged += await the_rest(writer)
        argv = [str(part) for part in cluster.program.process.args]  # type: ignore[union-attr]
        (cluster.folder / "data" / "postmaster.pid").unlink()
        cluster.program = Program.start("postgres", argv, folder=cluster.folder)
        await asyncio.to_thread(cluster.program.wait_until, lambda: reachable(cluster.url))
        async with await open_store(cluster.url) as store:
            kept = await store.read(lambda rows: {row["says"] for row in rows.all("SELECT says FROM events")})
            assert set(acknowledged) <= kept
            assert await store.read(events.broken_link) is None
    finally:
        await asyncio.to_thread(cluster.stop)


def reachable(url: str) -> bool:
    try:
        connect(url).close()
    except StoreBusyError:
        return False
    return True


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the write lock as another process would."""
    with closing(connect(url)) as other:
        other.begin()
        yield
        other.rollback()


async def test_a_locked_database_is_waited_for_then_told_and_used_again_when_it_is_free(url: str) -> None:
    async with await open_store(url, wait_ms=50) as store:
        await store.write(add)
        with locked(url):
            with pytest.raises(StoreBusyError, match="cannot use"):
                await store.write(add)
            assert (await store.read(events.head))[0] == 1
        assert await store.write(add) == 2


async def test_a_lock_that_is_given_up_in_time_goes_unnoticed(url: str) -> None:
    async with await open_store(url, wait_ms=30_000) as store:
        await store.write(add)
        with locked(url):
            waiting = asyncio.create_task(store.write(add))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        assert await waiting == 2


def fill(rows: Rows) -> None:
    for _ in range(200):
        events.add(rows, "told", "x" * 10_000, at=START)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")
async def test_a_full_disk_is_told_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    made = await asyncio.to_thread(
        subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=False
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
            await store.write(add)
            with pytest.raises(StoreBusyError, match=r"full.*make room on its disk"):
                await store.write(fill)
            assert await store.read(events.head) == await store.read(events.head)
            await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=8m", str(tmp_path)], check=True)
            await store.write(fill)
            assert (await store.read(events.head))[0] == 201
            assert await store.read(events.broken_link) is None
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(tmp_path)], check=True)


LIMITED = """
import asyncio, resource, sys
from datetime import UTC, datetime
from devops_agent.store import events, open_store
from devops_agent.store.rows import StoreBusyError

def add(rows):
    return [events.add(rows, "told", "x" * 1000, at=datetime.now(UTC)) for _ in range(2000)][-1]

async def main():
    async with await open_store(sys.argv[1]) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        try:
            await store.write(add)
        except StoreBusyError as error:
            print("told", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("wrote", await store.write(add), await store.read(events.broken_link))

asyncio.run(main())
"""


async def test_a_file_that_may_not_grow_is_told_and_written_again_when_it_may(sqlite_url: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", LIMITED, sqlite_url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told, wrote = done.stdout.splitlines()
    assert told.startswith("told cannot use the database")
    assert wrote == "wrote 2000 None"


def cut_connections(url: str) -> None:
    with closing(connect(url)) as other:
        other.all(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.real
async def test_a_lost_connection_is_told_once_and_made_anew(postgres_url: str) -> None:
    async with await open_store(postgres_url) as store:
        await store.write(add)
        await asyncio.to_thread(cut_connections, postgres_url)
        with pytest.raises(StoreBusyError, match="cannot use PostgreSQL now"):
            await store.write(add)
        assert await store.write(add) == 2


@pytest.mark.real
async def test_a_suspended_writer_does_not_stop_the_others_for_ever(postgres_url: str) -> None:
    with closing(connect(postgres_url)) as opened:
        shown = opened.one("SHOW idle_in_transaction_session_timeout")
        assert shown is not None
        assert shown["idle_in_transaction_session_timeout"] == "30s"


@pytest.mark.real
async def test_a_text_too_long_for_an_index_is_refused_alone(postgres_url: str) -> None:
    async with await open_store(postgres_url) as store:
        results = await asyncio.gather(
            store.write(add),
            store.write(lambda rows: rows.run("INSERT INTO counters VALUES (:n, 1)", n=os.urandom(5000).hex())),
            store.write(add),
            return_exceptions=True,
        )
        assert [type(result).__name__ for result in results] == ["int", "StoreError", "int"]


async def test_a_stopped_process_that_is_killed_leaves_no_lock_behind(sqlite_url: str) -> None:
    writer, _ = await start_writing(sqlite_url)
    writer.send_signal(signal.SIGSTOP)
    writer.kill()
    await writer.wait()
    async with await open_store(sqlite_url, wait_ms=1_000) as store:
        await store.write(add)


async def test_reading_goes_on_while_another_process_writes(store: Store, url: str) -> None:
    await store.write(add)
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await store.read(events.head))[0] == 1
            other.execute("ROLLBACK")
    else:
        with locked(url):
            assert (await store.read(events.head))[0] == 1
