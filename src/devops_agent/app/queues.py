"""Which queues there are for worker processes, and which of them share one; loads nothing of what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from devops_agent.engine import calendar, investigate
from devops_agent.engine.lifecycle import REMEMBER
from devops_agent.store import outbox

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from devops_agent.durable.dispatch import Job


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one worker process is for."""

    role: str
    """What its heartbeat and its log call it."""
    queues: tuple[str, ...]
    bench: str
    """`module:class` of its `Bench`."""
    hears: tuple[str, ...] = ()
    """Topics, beside its queues, that may mean work for it."""
    concurrent: int = 2
    """Runs of one queue under way at once."""
    nice: int = 0
    """By how much it yields to healing when both want the processor."""


class Bench(Protocol):
    """Where the work of some queues is done; built as `Bench(settings, store, clock=…)`."""

    @property
    def stays(self) -> bool:
        """Whether the process is needed though there is no work."""

    def jobs(self, queue: str) -> Mapping[str, Job]:
        """Return what is done with the runs of one of its queues."""

    async def look_around(self) -> None:
        """Learn what has changed; called before the first run and every few seconds."""

    async def close(self) -> None:
        """Let go of every connection."""


UNDERSTANDING = Work(
    role="worker",
    queues=(investigate.QUEUE, REMEMBER),
    bench="devops_agent.app.understanding:Understanding",
    nice=5,
)
TELLING = Work(
    role="notify",
    queues=(outbox.QUEUE, calendar.QUEUE),
    bench="devops_agent.app.telling:Telling",
    hears=("events",),
)
WORKS = (UNDERSTANDING, TELLING)
QUEUES = tuple(queue for work in WORKS for queue in work.queues)


def works_of(queues: Collection[str]) -> tuple[Work, ...]:
    """Return what a process that takes these queues is for."""
    return tuple(work for work in WORKS if not set(queues).isdisjoint(work.queues))


def role_of(queues: Collection[str]) -> str:
    """Return what a process that takes these queues is called; one that does everything is the worker."""
    roles = [work.role for work in works_of(queues)]
    return roles[0] if len(roles) == 1 else UNDERSTANDING.role
