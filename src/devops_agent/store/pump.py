"""One thread, one connection: work that arrives while a commit is under way shares the next one (group commit)."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from devops_agent.store.rows import OverloadedError, Rows, StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Connection(Rows, Protocol):
    """What a driver adds to Rows: transactions, and its own errors in our words."""

    def begin(self) -> None:
        """Begin a transaction; a writing one excludes all other writers."""

    def commit(self) -> None:
        """Make it last: on return it is on the disk."""

    def rollback(self) -> None:
        """Undo it."""

    def ring(self, topics: Iterable[str]) -> None:
        """Tell other processes, inside the transaction where the engine can, that rows of these topics changed."""

    def rung(self, topics: Iterable[str]) -> None:
        """Tell them after the commit, where the engine cannot do it inside."""

    def explain(self, error: Exception) -> StoreError | None:
        """Return the driver's error in our words; None when it is none of the driver's."""

    def close(self) -> None:
        """Give it back."""


class _Job:
    __slots__ = ("error", "future", "loop", "result", "topics", "work")

    def __init__(self, work: Callable[[Rows], Any], topics: tuple[str, ...]) -> None:
        self.work = work
        self.topics = topics
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


class Pump:
    """Takes pieces of work from any task and runs them in order, many to a transaction."""

    def __init__(self, connect: Callable[[], Connection], *, name: str, limit: int, batch: int = 256) -> None:
        self._connect = connect
        self._limit = limit
        self._batch = batch
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # nothing may be put behind the end that `close` puts into the queue
        self._waiting = 0
        self._connection: Connection | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work handed in and not finished."""
        return self._waiting

    async def do(self, work: Callable[[Rows], T], *, topics: tuple[str, ...] = ()) -> T:
        """Run `work` inside a transaction and return its result once that is committed.

        `work` must do nothing but read and write rows: when it raises, its writes are undone and the error passed on.

        Raises:
            OverloadedError: more than `limit` pieces are waiting.
            StoreBusyError: locked, out of reach, no space left.
            StoreError: closed, or the database refused it.

        """
        job = _Job(work, topics)
        with self._lock:
            if self._closed:
                raise StoreError("cannot use the store: it is closed")
            if self._waiting >= self._limit:
                raise OverloadedError(f"cannot use the store now: {self._waiting} requests are waiting for it")
            self._waiting += 1
            self._queue.put(job)
        return await asyncio.shield(job.future)

    def close(self) -> None:
        """Finish what was handed in, then stop."""
        with self._lock:
            closed, self._closed = self._closed, True
            if not closed:
                self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while self._serve():
            continue
        if self._connection is not None:
            self._connection.close()

    def _serve(self) -> bool:
        """Do what waits, one batch of it; False when the end was reached."""
        jobs: list[_Job] = []
        more = True
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == self._batch:
                break
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
        else:
            more = False
        if jobs:
            topics = self._transact(jobs)
            with self._lock:
                self._waiting -= len(jobs)
            _deliver(jobs)
            if topics and self._connection is not None:
                self._connection.rung(topics)
        return more

    def _transact(self, jobs: list[_Job]) -> set[str]:
        """Do the jobs in one transaction; return the topics to be rung after it."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection = self._connection
            connection.begin()
            alone = len(jobs) == 1
            for job in jobs:
                _run(job, connection, alone=alone)
            topics = {topic for job in jobs if job.error is None for topic in job.topics}
            if alone and jobs[0].error is not None:
                connection.rollback()
                return set()
            if topics:
                connection.ring(topics)
            connection.commit()
        except Exception as error:  # noqa: BLE001 — the edge of this thread's loop: every waiting task learns of it
            self._fail(jobs, error)
            return set()
        else:
            return topics

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        told: Exception = error
        if self._connection is not None:
            told = _explained(self._connection, error)
            try:
                self._connection.rollback()
            except Exception:  # noqa: BLE001 — the connection is gone; the next batch opens a new one
                self._connection.close()
                self._connection = None
        elif not isinstance(error, StoreError):
            told = StoreBusyError(f"cannot open the store: {error}")
            told.__cause__ = error
        for job in jobs:
            job.error = told


def _run(job: _Job, connection: Connection, *, alone: bool) -> None:
    """Do one job; in company its writes can be undone without losing the others'."""
    if not alone:
        connection.run("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        if isinstance(connection.explain(error), StoreBusyError):
            raise  # no job of the batch can be kept
        job.error = _explained(connection, error)
        if not alone:
            connection.run("ROLLBACK TO SAVEPOINT job")
    if not alone:
        connection.run("RELEASE SAVEPOINT job")


def _explained(connection: Connection, error: Exception) -> Exception:
    told = connection.explain(error)
    if told is not None:
        told.__cause__ = error
        return told
    if isinstance(error, StopIteration):  # the one exception that a future cannot hold
        return RuntimeError(f"the work raised {error!r}")
    return error


def _deliver(jobs: list[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, group)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
