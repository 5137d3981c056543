"""Readings over time: small buckets that the agent writes, large ones made of them, and what is asked of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from devops_agent.model.fact import Fact
from devops_agent.model.reading import (
    DAY,
    FIVE_MINUTES,
    HOUR,
    KEPT,
    STEPS,
    Bucket,
    Times,
    ceiling,
    floor,
    fold,
    regroup,
)
from devops_agent.store.rows import Row, Rows, from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

_COLUMNS = "step, at, target, well_ms, seen_ms, excluded_ms, readings_json"
_KEEP = (
    f"INSERT INTO readings ({_COLUMNS}) VALUES (:step, :at, :target, :well_ms, :seen_ms, :excluded_ms, :readings_json)"
    " ON CONFLICT (step, at, target) DO UPDATE SET well_ms = excluded.well_ms, seen_ms = excluded.seen_ms,"
    " excluded_ms = excluded.excluded_ms, readings_json = excluded.readings_json"
)
_SPREADS = msgspec.json.Decoder(dict[str, tuple[float, float, float, int]])
_FINER = {HOUR: FIVE_MINUTES, DAY: HOUR}
_TARGETS_AT_ONCE = 100
"""Targets whose buckets are put together in one transaction, so that others get their turn between."""


class Progress(Fact, kw_only=True):
    """How far the buckets of a length are made."""

    at: datetime
    """The bucket to be made next."""
    target: str = ""
    """The last target of which it is made already."""


def add(rows: Rows, buckets: Sequence[tuple[str, Bucket]]) -> None:
    """Write closed buckets of 5 minutes; what is known already of the same time, from before a restart, is kept."""
    before: dict[tuple[str, datetime], Bucket] = {}
    for at in {bucket.at for _, bucket in buckets}:
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM readings WHERE step = :step AND at = :at",
            step=_seconds(FIVE_MINUTES),
            at=to_us(at),
        ):
            before[row["target"], at] = _bucket(row)
    for target, bucket in buckets:
        known = before.get((target, bucket.at))
        before[target, bucket.at] = bucket if known is None else fold((known, bucket), at=bucket.at, lasts=bucket.lasts)
    _keep(rows, ((target, before[target, at]) for target, at in {(name, bucket.at) for name, bucket in buckets}))


def history(rows: Rows, target: str, *, begin: datetime, end: datetime, limit: int = 300) -> list[Bucket]:
    """Return what was seen of a target, oldest first: the finest buckets that are still there and at most `limit`.

    The coarser the bucket, the longer it is kept. The newest of hours and days is made of what there is of it so far.
    """
    oldest = {
        row["step"]: from_us(row["at"])
        for row in rows.all(
            "SELECT step, min(at) AS at FROM readings WHERE target = :target GROUP BY step", target=target
        )
    }
    step = _step_for(begin, end, limit=limit, oldest=oldest)
    found = _of(rows, target, step, begin=floor(begin, step), end=end)
    # What is not yet made of the coarser ones is there in finer ones.
    since = floor(begin, step)
    for coarse, fine in ((DAY, HOUR), (HOUR, FIVE_MINUTES)):
        if coarse <= step:
            since = max(since, made_until(rows, coarse) or since)
            found += _of(rows, target, fine, begin=since, end=end)
    return regroup(found, step)[-limit:]


def times(rows: Rows, targets: Iterable[str], *, begin: datetime, end: datetime) -> dict[str, Times]:
    """Return target → how it was between two moments, from buckets of 5 minutes that lie within.

    Where those are gone already, whole hours are taken: `begin` is then rounded up to the hour, and `end` down.
    """
    sums: dict[str, list[int]] = {name: [0, 0, 0] for name in targets}
    for step, first, last in _stretches(rows, begin, end):
        for row in rows.all(
            "SELECT target, sum(well_ms) AS well, sum(seen_ms) AS seen, sum(excluded_ms) AS excluded FROM readings"
            " WHERE step = :step AND at >= :first AND at < :last GROUP BY target",
            step=_seconds(step),
            first=to_us(first),
            last=to_us(last),
        ):
            if (total := sums.get(row["target"])) is not None:
                for index, name in enumerate(("well", "seen", "excluded")):
                    total[index] += int(row[name])
    return {
        name: Times(well=well / 1000, seen=seen / 1000, excluded=excluded / 1000)
        for name, (well, seen, excluded) in sums.items()
    }


def first_seen(rows: Rows) -> dict[str, datetime]:
    """Return target → since when it is watched, as far as is still known."""
    return {
        row["target"]: from_us(row["at"])
        for row in rows.all("SELECT target, min(at) AS at FROM readings GROUP BY target")
    }


def known_since(rows: Rows, target: str) -> datetime | None:
    """Return since when a target is watched, as far as is still known; None: nothing is kept of it yet."""
    row = rows.one("SELECT min(at) AS at FROM readings WHERE target = :target", target=target)
    return from_us(row["at"]) if row and row["at"] is not None else None


def next_to_make(rows: Rows, step: timedelta, *, until: datetime) -> Progress | None:
    """Return the next bucket of an hour or a day that ends by `until` and can be made of finer ones; None: none can."""
    after = made_until(rows, step)
    row = rows.one(
        "SELECT min(at) AS at FROM readings WHERE step = :step AND at >= :after",
        step=_seconds(_FINER[step]),
        after=to_us(after) if after else 0,
    )
    if row is None or row["at"] is None:
        return None
    at = floor(from_us(row["at"]), step)
    return Progress(at=at) if at + step <= until else None


def make(rows: Rows, step: timedelta, progress: Progress) -> Progress | None:
    """Make a bucket of an hour or a day for some targets; return how to go on, None when it is made for all."""
    span = {"fine": _seconds(_FINER[step]), "begin": to_us(progress.at), "end": to_us(progress.at + step)}
    names = [
        row["target"]
        for row in rows.all(
            "SELECT DISTINCT target FROM readings WHERE step = :fine AND at >= :begin AND at < :end"
            " AND target > :after ORDER BY target LIMIT :many",
            **span,
            after=progress.target,
            many=_TARGETS_AT_ONCE,
        )
    ]
    parts: dict[str, list[Bucket]] = {name: [] for name in names}
    if names:
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM readings WHERE step = :fine AND at >= :begin AND at < :end"
            " AND target >= :first AND target <= :last ORDER BY at",
            **span,
            first=names[0],
            last=names[-1],
        ):
            parts[row["target"]].append(_bucket(row))
    _keep(rows, ((name, fold(parts[name], at=progress.at, lasts=step)) for name in names))
    if len(names) == _TARGETS_AT_ONCE:
        return progress.with_(target=names[-1])
    rows.run(
        "INSERT INTO readings_made (step, until) VALUES (:step, :until)"
        " ON CONFLICT (step) DO UPDATE SET until = excluded.until",
        step=_seconds(step),
        until=to_us(progress.at + step),
    )
    return None


def made_until(rows: Rows, step: timedelta) -> datetime | None:
    """Return until when buckets of an hour or a day are made; None: none is, yet."""
    row = rows.one("SELECT until FROM readings_made WHERE step = :step", step=_seconds(step))
    return from_us(row["until"]) if row else None


def forget(rows: Rows, *, now: datetime) -> int:
    """Delete what is older than KEPT says; nothing of which the coarser bucket is still to be made."""
    deleted = 0
    for step, coarser in zip(STEPS, (*STEPS[1:], None), strict=True):
        before = now - KEPT[step]
        if coarser is not None:
            made = made_until(rows, coarser)
            if made is None:
                continue
            before = min(before, made)
        deleted += rows.run(
            "DELETE FROM readings WHERE step = :step AND at < :before", step=_seconds(step), before=to_us(before)
        )
    return deleted


def _step_for(begin: datetime, end: datetime, *, limit: int, oldest: dict[int, datetime]) -> timedelta:
    for step in STEPS[:-1]:
        if (end - floor(begin, step)) > limit * step:
            continue
        first = oldest.get(_seconds(step))
        if first is None:
            continue
        coarser = [(other, oldest[_seconds(other)]) for other in STEPS if other > step and _seconds(other) in oldest]
        if first <= begin or all(first < at + other for other, at in coarser):
            return step
    return DAY


def _stretches(rows: Rows, begin: datetime, end: datetime) -> list[tuple[timedelta, datetime, datetime]]:
    """Return (length, first, last) that cover a time once, in the coarsest buckets that lie within."""
    hours_to, days_to = made_until(rows, HOUR), made_until(rows, DAY)
    first_hour = ceiling(begin, HOUR)
    last_hour = min(floor(end, HOUR), hours_to) if hours_to else first_hour
    if last_hour <= first_hour:
        return [(FIVE_MINUTES, ceiling(begin, FIVE_MINUTES), floor(end, FIVE_MINUTES))]
    found = [
        (FIVE_MINUTES, ceiling(begin, FIVE_MINUTES), first_hour),
        (FIVE_MINUTES, last_hour, floor(end, FIVE_MINUTES)),
    ]
    first_day = ceiling(begin, DAY)
    last_day = min(floor(end, DAY), days_to) if days_to else first_day
    if last_day <= first_day:
        found.append((HOUR, first_hour, last_hour))
    else:
        found += [(HOUR, first_hour, first_day), (DAY, first_day, last_day), (HOUR, last_day, last_hour)]
    return [(step, first, last) for step, first, last in found if first < last]


def _of(rows: Rows, target: str, step: timedelta, *, begin: datetime, end: datetime) -> list[Bucket]:
    return [
        _bucket(row)
        for row in rows.all(
            f"SELECT {_COLUMNS} FROM readings WHERE target = :target AND step = :step AND at >= :begin AND at < :end"
            " ORDER BY at",
            target=target,
            step=_seconds(step),
            begin=to_us(begin),
            end=to_us(end),
        )
    ]


def _keep(rows: Rows, buckets: Iterable[tuple[str, Bucket]]) -> None:
    rows.many(
        _KEEP,
        [
            {
                "step": _seconds(bucket.lasts),
                "at": to_us(bucket.at),
                "target": target,
                "well_ms": round(bucket.well_seconds * 1000),
                "seen_ms": round(bucket.seen_seconds * 1000),
                "excluded_ms": round(bucket.excluded_seconds * 1000),
                "readings_json": msgspec.json.encode(
                    {
                        name: (*map(_short, spread), bucket.looks.get(name, 1))
                        for name, spread in bucket.readings.items()
                    }
                ).decode(),
            }
            for target, bucket in buckets
        ],
    )


def _bucket(row: Row) -> Bucket:
    spreads = _SPREADS.decode(row["readings_json"])
    return Bucket(
        at=from_us(row["at"]),
        lasts=_STEP_OF[row["step"]],
        well_seconds=row["well_ms"] / 1000,
        seen_seconds=row["seen_ms"] / 1000,
        excluded_seconds=row["excluded_ms"] / 1000,
        readings={name: (low, mean, high) for name, (low, mean, high, _) in spreads.items()},
        looks={name: count for name, (*_, count) in spreads.items()},
    )


def _short(value: float) -> float:
    """Six digits: more than any plot shows, in half the room."""
    return float(f"{value:.6g}")


def _seconds(step: timedelta) -> int:
    return int(step.total_seconds())


_STEP_OF = {_seconds(step): step for step in STEPS}
