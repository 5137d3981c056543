"""What models took each day, and their answers kept for a while, as rows."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from devops_agent.model.fact import Fact, from_json, to_json
from devops_agent.model.reasoning import Budget, Completion
from devops_agent.store.rows import Rows, to_us

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_MICRO = 1_000_000


class Spent(Fact, kw_only=True):
    """What models took on one day, that which is set aside for questions under way included."""

    asked: int = 0
    tokens: int = 0
    dollars: float = 0.0


class Reserve(Fact, kw_only=True):
    """What was set aside for one question."""

    day: str
    budget: Budget


def reserve(rows: Rows, wanted: Budget, *, tokens_per_day: int, dollars_per_day: float, now: datetime) -> Reserve:
    """Set aside what one question may take at most: the smaller of `wanted` and the day's rest.

    It counts as spent until `settle`: two questions at once cannot spend the same money, and one whose process dies has
    taken all that it could have taken.
    """
    day = _day(now)
    so_far = spent(rows, now=now)
    granted = wanted.with_(
        tokens=max(0, min(wanted.tokens, tokens_per_day - so_far.tokens)),
        dollars=max(0.0, min(wanted.dollars, dollars_per_day - so_far.dollars)),
    )
    _add(rows, day, asked=1, tokens=granted.tokens, dollars=granted.dollars)
    return Reserve(day=day, budget=granted)


def settle(rows: Rows, reserved: Reserve, *, tokens: int, dollars: float) -> None:
    """Count what a question really took in place of what was set aside for it."""
    _add(
        rows,
        reserved.day,
        asked=0,
        tokens=tokens - reserved.budget.tokens,
        dollars=dollars - reserved.budget.dollars,
    )


def spent(rows: Rows, *, now: datetime) -> Spent:
    """Return what models took on the day of `now`, UTC."""
    row = rows.one("SELECT asked, tokens, microdollars FROM spending WHERE day = :day", day=_day(now))
    if row is None:
        return Spent()
    return Spent(asked=row["asked"], tokens=row["tokens"], dollars=row["microdollars"] / _MICRO)


def keep(rows: Rows, digest: str, completion: Completion, *, now: datetime, lasting: timedelta) -> None:
    """Keep an answer for the very same question; `digest` names the question."""
    rows.run("DELETE FROM completions WHERE expires_at <= :now", now=to_us(now))
    rows.run(
        "INSERT INTO completions (digest, completion_json, expires_at) VALUES (:digest, :completion, :expires_at)"
        " ON CONFLICT (digest) DO UPDATE SET completion_json = excluded.completion_json,"
        " expires_at = excluded.expires_at",
        digest=digest,
        completion=to_json(completion),
        expires_at=to_us(now + lasting),
    )


def recall(rows: Rows, digest: str, *, now: datetime) -> Completion | None:
    """Return the answer to the very same question, marked as cached; None when none is kept, or no more."""
    row = rows.one(
        "SELECT completion_json FROM completions WHERE digest = :digest AND expires_at > :now",
        digest=digest,
        now=to_us(now),
    )
    return None if row is None else from_json(row["completion_json"], Completion).with_(cached=True)


def _add(rows: Rows, day: str, *, asked: int, tokens: int, dollars: float) -> None:
    rows.run(
        "INSERT INTO spending (day, asked, tokens, microdollars) VALUES (:day, :asked, :tokens, :microdollars)"
        " ON CONFLICT (day) DO UPDATE SET asked = spending.asked + excluded.asked,"
        " tokens = spending.tokens + excluded.tokens, microdollars = spending.microdollars + excluded.microdollars",
        day=day,
        asked=asked,
        tokens=tokens,
        microdollars=round(dollars * _MICRO),
    )


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
