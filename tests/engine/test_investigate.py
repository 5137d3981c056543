"""Investigate: what a target depends on is looked at now, not remembered."""

from datetime import UTC, datetime, timedelta

import pytest

from devops_agent.engine.investigate import look_into
from devops_agent.model.evidence import State
from devops_agent.model.target import Target
from devops_agent.model.view import View, view_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOP, DATABASE = Target(name="shop", via="process"), Target(name="database", via="process")
RUNS = State(exists=True, running=True)


@pytest.mark.parametrize(
    ("state", "ailing"),
    [
        (RUNS, ()),
        (State(exists=True, running=False), ("database",)),
        (RUNS.with_(healthy=False), ("database",)),
        (RUNS.with_(healthy=False, starting=True), ("database",)),
        (RUNS.with_(since=NOW - timedelta(seconds=3)), ("database",)),
        (RUNS.with_(since=NOW - timedelta(minutes=1)), ()),
    ],
)
async def test_what_it_depends_on_is_ailing_when_it_is_so_now_or_just_started(
    state: State, ailing: tuple[str, ...]
) -> None:
    async def look(target: Target) -> View:
        seen = state if target is DATABASE else RUNS
        return view_of(target, state=seen, evidence=(), at=NOW)

    findings = await look_into(SHOP, look=look, ancestors=[DATABASE])
    assert findings.ailing_parents == ailing
    assert findings.view.target == "shop"
