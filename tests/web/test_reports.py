"""What the API tells over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from devops_agent.model.reading import FIVE_MINUTES, Bucket, floor
from devops_agent.store import readings

if TYPE_CHECKING:
    from tests.web.serving import Running


async def test_a_target_is_told_over_time(web: Running) -> None:
    at = floor(datetime.now(UTC), FIVE_MINUTES) - timedelta(hours=1)
    seen = Bucket(
        at=at, lasts=FIVE_MINUTES, well_seconds=240, seen_seconds=300, readings={"cpu_percent": (1.0, 2.0, 3.0)}
    )
    await web.store.write(lambda rows: readings.add(rows, [("db", seen)]))
    told = (await web.get("/api/v1/targets/db/history")).json()
    assert [(one["well_seconds"], one["lasts"], one["readings"]) for one in told["buckets"]] == [
        (240.0, 300.0, {"cpu_percent": [1.0, 2.0, 3.0]})
    ]


async def test_the_history_of_a_target_that_never_was_is_a_404(web: Running) -> None:
    assert (await web.get("/api/v1/targets/nobody/history")).status == 404


async def test_a_time_that_ends_before_it_begins_is_refused(web: Running) -> None:
    answer = await web.get("/api/v1/targets/db/history?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")
    assert answer.status == 422
    far = await web.get("/api/v1/targets/db/history?until=0001-01-01T00:00:00%2B00:00")
    assert far.status == 422
