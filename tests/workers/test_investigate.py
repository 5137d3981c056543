"""The closer look: from what sources answer to causes that cite it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing import START, FakeLogs, FakeMetrics, Killed
from devops_agent.model.evidence import Evidence
from devops_agent.model.fact import to_json
from devops_agent.model.insight import Insight
from devops_agent.model.sighting import Health
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind, Figures, Lines
from devops_agent.ports import PluginError
from devops_agent.store import evidence, insights
from devops_agent.workers.gather import Sources, Windows, gather
from tests.engine.site import alert
from tests.workers.investigating import BEGIN, INCIDENT, POINTS, QUIET, TRACE, Desk, before, desk, steady


def quiet_logs(here: Desk, *names: str) -> None:
    for name in names:
        here.logs.write(name, *QUIET, at=BEGIN, every=timedelta(seconds=7))


def usual(here: Desk, *names: str) -> None:
    for name in names:
        here.metrics.add("error_percent", steady(0.5, points=POINTS), begin=BEGIN, target=name, unit="%")
        here.metrics.add("latency_p95_ms", steady(80, points=POINTS), begin=BEGIN, target=name, unit="ms")


def burst(here: Desk) -> None:
    """Let `api` fail with a traceback, again and again, for ten minutes."""
    for number in range(30):
        at = START + before(10) + number * timedelta(seconds=20)
        here.logs.write("api", *TRACE, at=at, every=timedelta(milliseconds=1))


async def test_a_burst_of_errors_is_traced_to_file_and_line_with_cited_evidence(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api", "db")
        burst(here)
        await here.trouble()
        found = await here.investigate()
        best = found.hypotheses[0]
        assert (best.kind, best.component) == ("code_error", "")
        assert "KeyError at /srv/shop/orders.py:88 in place" in best.says
        cited = {piece.id: piece for piece in await here.evidence()}
        assert {cited[id_].name for id_ in best.evidence} == {"stack_trace"}
        assert cited[best.evidence[0]].query
        assert not found.well


async def test_every_claim_cites_evidence_that_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api")
        burst(here)
        usual(here, "db")
        await here.trouble(db=Health.DOWN)
        found = await here.investigate()
        kept = {piece.id for piece in await here.evidence()}
        assert found.hypotheses
        assert all(h.evidence and set(h.evidence) <= kept for h in found.hypotheses)


async def test_a_dependency_that_is_down_is_named_instead_of_its_victim(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api")
        here.logs.write("api", *["ERROR cannot connect to db:5432: connection refused"] * 200, at=START + before(5))
        await here.trouble(db=Health.DOWN)
        best = (await here.investigate()).hypotheses[0]
        assert (best.kind, best.component) == ("down", "db")


async def test_what_the_response_saw_counts_more_than_an_older_poll(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api")
        await here.trouble(db=Health.WELL)
        down = Evidence(source="look", target="db", name="state", value="down", at=START, says="db is down: exited")
        (seen,) = await here.store.write(lambda rows: evidence.keep(rows, INCIDENT, [down]))
        best = (await here.investigate()).hypotheses[0]
        assert (best.kind, best.component, best.evidence) == ("down", "db", (seen.id,))


async def test_a_healthy_but_noisy_service_is_well(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        for name in ("api", "db"):
            here.logs.write(
                name,
                *["WARN retrying", "ERROR client went away", "INFO ok"] * 300,
                at=BEGIN,
                every=timedelta(seconds=5),
            )
        usual(here, "api", "db")
        await here.trouble()
        found = await here.investigate()
        assert (found.well, found.enough, found.hypotheses) == (True, True, ())


async def test_without_any_source_there_is_not_enough_to_judge_by(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.trouble()
        found = await here.investigate()
        assert (found.well, found.enough) == (False, False)


async def test_a_source_that_fails_is_told_and_the_others_count(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.metrics.trouble = PluginError("cannot reach Prometheus at http://127.0.0.1:9090")
        quiet_logs(here, "api", "db")
        burst(here)
        await here.trouble()
        found = await here.investigate()
        assert found.hypotheses[0].kind == "code_error"
        assert any("cannot reach Prometheus" in reason for reason in found.missing)


class LateLogs(FakeLogs):
    """Knows nobody's logs, and takes its time to say so."""

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().lines(target, begin=begin, end=end, limit=limit, errors_only=errors_only)


class AwayMetrics(FakeMetrics):
    """Fails while others are still asked."""

    async def readings(self, target: Target, *, begin: datetime, end: datetime, step: timedelta) -> list[Figures]:
        await asyncio.sleep(0)
        raise PluginError(f"cannot reach Prometheus about {target.name}")


async def test_who_fails_is_told_of_also_when_a_second_log_source_knows_the_target() -> None:
    logs = FakeLogs()
    logs.write("api", "INFO served", at=START)
    sources = Sources(metrics=AwayMetrics(), logs=(("late", LateLogs()), ("fake", logs)))
    windows = Windows(baseline_from=BEGIN, begin=START, end=START + timedelta(minutes=1), log_lines=100)
    [heard] = await gather([Target(name="api")], sources=sources, windows=windows)
    assert (heard.log_source, heard.missing) == ("fake", ["metrics: cannot reach Prometheus about api"])


async def test_a_reading_that_left_its_course_is_cited_with_its_plot(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        values = [*steady(80, points=POINTS - 24), *steady(900, points=24)]
        here.metrics.add("latency_p95_ms", values, begin=BEGIN, target="api", unit="ms")
        await here.trouble()
        best = (await here.investigate()).hypotheses[0]
        piece = next(one for one in await here.evidence() if one.id == best.evidence[0])
        assert best.kind == "high_latency"
        assert "rose from" in piece.says
        assert 2 < len(piece.points) <= 60


async def test_of_two_that_are_slow_the_one_that_the_other_calls_is_named(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        for name, slow, since in (("db", 700, 24), ("api", 800, 22)):
            values = [*steady(40, points=POINTS - since), *steady(slow, points=since)]
            here.metrics.add("latency_p95_ms", values, begin=BEGIN, target=name, unit="ms")
            here.metrics.add("request_rate", steady(10, points=POINTS), begin=BEGIN, target=name, unit="1/s")
        await here.trouble(alert("HighLatency", source="alertmanager"))
        found = await here.investigate()
        assert found.suspects[0].component == "db"
        assert (found.hypotheses[0].kind, found.hypotheses[0].component) == ("high_latency", "db")


async def test_secrets_in_logs_are_not_kept(tmp_path: Path) -> None:
    secret = "password=hunter2-correct-horse"
    async with desk(tmp_path) as here:
        quiet_logs(here, "api")
        here.logs.write("api", *[f"ERROR cannot log in with {secret}"] * 20, at=START + before(5))
        await here.trouble()
        await here.investigate()
        assert any("cannot log in" in piece.says for piece in await here.evidence())
        assert not any("hunter2" in to_json(piece) for piece in await here.evidence())


async def test_a_disk_that_fills_steadily_is_told_with_the_time_that_is_left(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        # From 60 to 70 % in 75 minutes: 30 more take 3 h 45 min.
        values = [60 + 10 * number / (POINTS - 1) for number in range(POINTS)]
        here.metrics.add("disk_percent", values, begin=BEGIN, target="api", unit="%")
        await here.trouble()
        await here.investigate()
        (piece,) = [one for one in await here.evidence() if one.details.get("series") == "disk_percent"]
        assert piece.details["full_in_hours"] == pytest.approx(3.75, abs=0.1)
        assert "full in 3.7 h" in piece.says or "full in 3.8 h" in piece.says


async def test_a_change_right_before_the_trouble_is_a_suspect(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api", "db")
        burst(here)
        here.changes.known.append(
            Change(
                target="api", kind=ChangeKind.IMAGE, at=START + before(11), says="api:1 became api:2",
                before="api:1", after="api:2", source="fake",
            )
        )  # fmt: skip
        await here.trouble()
        assert "bad_release" in {h.kind for h in (await here.investigate()).hypotheses}


async def test_the_timeline_tells_what_was_found_and_what_it_rests_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api", "db")
        burst(here)
        await here.trouble()
        found = await here.investigate()
        (told,) = [event for event in await here.events() if event.kind == "insight"]
        assert told.says == found.says
        assert told.data["hypotheses"][0]["evidence"] == list(found.hypotheses[0].evidence)


class Hanging:
    """A model that never answers: its adviser is cancelled from outside."""

    async def advise(self, scene: object, seen: object, insight: Insight) -> Insight:
        raise RuntimeError("killed while the model was asked")


async def test_what_the_rules_found_is_there_before_the_model_is_asked(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api", "db")
        burst(here)
        here.adviser = Hanging()
        await here.trouble()
        with pytest.raises(RuntimeError, match="killed"):
            await here.investigate()
        told = [event.kind for event in await here.events()]
        assert "insight" in told
        assert "advice" not in told


class Overtaken(FakeLogs):
    """Answers after a plan was tried and another look was asked for."""

    def __init__(self, here: Desk) -> None:
        super().__init__()
        self._here = here

    async def lines(
        self, target: Target, *, begin: datetime, end: datetime, limit: int = 5_000, errors_only: bool = False
    ) -> Lines:
        await self._here.clock.advance(1)
        await self._here.ask(attempts=1)
        return await super().lines(target, begin=begin, end=end, limit=limit, errors_only=errors_only)


async def test_what_was_gathered_before_a_plan_was_tried_is_not_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.logs = Overtaken(here)
        await here.trouble()
        await here.look()
        assert await here.insight() is None
        assert "insight" not in {event.kind for event in await here.events()}


async def test_a_look_that_takes_too_long_is_given_up_and_is_not_enough_to_judge_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devops_agent.workers.investigate._LONGEST", 0.0)
    async with desk(tmp_path) as here:
        await here.trouble()
        await here.store.write(lambda rows: insights.ask(rows, INCIDENT, attempts=0, now=START, fresh=timedelta()))
        found = await here.investigate()
        assert (found.well, found.enough) == (False, False)
        assert "given up" in found.says
        assert "insight" in [event.kind for event in await here.events()]


class Killer:
    """Kills the worker at its boundary of a number."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.reached: list[str] = []

    def __call__(self, name: str) -> None:
        self.reached.append(name)
        if not self.left:
            raise Killed
        self.left -= 1


BOUNDARIES = (
    "record keep", "recorded keep", "record insight", "recorded insight", "record recall", "recorded recall",
)  # fmt: skip


@pytest.mark.parametrize("moment", range(len(BOUNDARIES)))
async def test_killed_anywhere_it_is_made_again_finds_the_same_and_keeps_its_evidence_once(
    tmp_path: Path, moment: int
) -> None:
    async with desk(tmp_path) as here:
        quiet_logs(here, "api", "db")
        burst(here)
        await here.trouble()
        killer = Killer(moment)
        with pytest.raises(Killed):
            await here.investigate(killer)
        assert tuple(killer.reached) == BOUNDARIES[: moment + 1]
        await here.clock.advance(31)
        again = await here.investigate()
        assert again.hypotheses[0].kind == "code_error"
        kept = [(piece.target, piece.name, piece.says) for piece in await here.evidence()]
        assert len(kept) == len(set(kept))
        assert [event.kind for event in await here.events()].count("insight") == 1
