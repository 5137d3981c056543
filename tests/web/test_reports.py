"""What the API tells over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.reading import FIVE_MINUTES, Bucket, floor
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import readings, targets
from tests.web import seed

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
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


async def test_objectives_are_told_with_budget_and_burn_rates(web: Running) -> None:
    now = floor(datetime.now(UTC), FIVE_MINUTES)
    target = Target(name="shop", objective=0.99)
    hour = [
        Bucket(at=now - number * FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=150, seen_seconds=300)
        for number in range(1, 13)
    ]

    def write(rows: Rows) -> None:
        targets.keep(rows, [Sighting(target=target, health=Health.WELL, since=now, seen_at=now)])
        readings.add(rows, [("shop", bucket) for bucket in hour])

    await web.store.write(write)
    (told,) = (await web.get("/api/v1/slo")).json()["items"]
    assert (told["target"], told["budget"]["availability"], told["budget"]["spent_seconds"]) == ("shop", 0.5, 1800.0)
    assert [burn["long_rate"] for burn in told["burns"]] == [pytest.approx(50.0), None, None]
    scraped = (await web.get("/metrics", scope="")).body.decode()
    left = 1 - 1800 / (0.01 * 30 * 86_400)
    assert f'devops_agent_slo_error_budget_ratio{{target="shop"}} {left!r}' in scraped
    assert 'devops_agent_slo_burn_rate{target="shop",window="1h"} 50.0' in scraped.replace("49.99999999999996", "50.0")


@pytest.mark.parametrize(
    "path",
    ["/api/v1/reports/weekly", "/api/v1/reports/custom", "/api/v1/changes", "/api/v1/incidents/INC-1/postmortem"],
)
async def test_what_is_told_comes_as_json_markdown_and_html(web: Running, path: str) -> None:
    await web.store.write(lambda rows: seed.fill(rows, datetime.now(UTC)))
    assert (await web.get(path)).headers["Content-Type"] == "application/json"
    markdown = await web.get(f"{path}?format=markdown")
    assert markdown.headers["Content-Type"].startswith("text/markdown")
    assert markdown.body.startswith(b"# ")
    html = await web.get(f"{path}?format=html")
    assert html.body.lstrip().startswith(b"<!doctype html>")
    assert html.headers["Content-Disposition"].startswith("attachment")


async def test_a_report_of_a_name_that_there_is_not_is_refused(web: Running) -> None:
    assert (await web.get("/api/v1/reports/weekly?name=2026-W99")).status == 422
    assert (await web.get("/api/v1/reports/daily?name=0001-01-01")).status == 422
    assert (await web.get("/api/v1/reports/custom?since=1000-01-01T00:00:00Z")).status == 422
    assert (await web.get("/api/v1/reports")).json()["items"] == []
