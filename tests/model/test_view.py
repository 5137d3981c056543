"""What several looks at one target amount to."""

from datetime import UTC, datetime, timedelta

import pytest

from devops_agent.model.evidence import Evidence, State
from devops_agent.model.sighting import Health
from devops_agent.model.target import Check, Target
from devops_agent.model.view import view_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = Target(name="shop", via="docker", checks=(Check(name="state", kind="state"), Check(name="health")))


def seen(name: str, value: bool | str, says: str = "") -> Evidence:  # noqa: FBT001 — a value, not a switch
    return Evidence(source="docker", name=name, value=value, at=AT, says=says)


def test_that_a_state_cannot_be_seen_is_not_taken_for_a_check_that_passed() -> None:
    view = view_of(SHOP, state=None, evidence=(seen("state", "unknown", "cannot talk to the engine"),), at=AT)
    assert (view.checked, view.well, view.health) == (False, False, Health.UNKNOWN)
    assert view.says == "cannot talk to the engine"


def test_each_check_that_was_made_says_what_was_wrong() -> None:
    answered = seen("health", value=False, says="answered 500")
    made = (seen("state", "running"), answered, seen("memory_percent", "high"))
    assert view_of(SHOP, state=None, evidence=made, at=AT).results(SHOP) == {"state": "", "health": "answered 500"}
    stopped = (seen("state", "exited"),)
    assert view_of(SHOP, state=None, evidence=stopped, at=AT).results(SHOP) == {"state": "it is exited"}


@pytest.mark.parametrize(("passes", "health"), [(True, Health.WELL), (False, Health.DOWN)])
def test_a_check_of_our_own_speaks_for_a_target_whose_state_cannot_be_seen(passes: bool, health: Health) -> None:  # noqa: FBT001
    view = view_of(SHOP, state=None, evidence=(seen("state", "unknown"), seen("health", passes)), at=AT)
    assert (view.checked, view.health) == (True, health)


def test_a_container_that_runs_is_well_without_any_check() -> None:
    state = State(exists=True, running=True, says="runs")
    view = view_of(SHOP, state=state, evidence=(seen("state", "running"),), at=AT)
    assert (view.checked, view.health) == (False, Health.WELL)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_what_is_no_figure_is_no_reading(value: float) -> None:
    piece = Evidence(source="http", name="memory_percent", value=value, at=AT)
    assert view_of(SHOP, state=None, evidence=(piece,), at=AT).readings == {}


@pytest.mark.parametrize(("started", "readings"), [(120, {"error_percent": 30.0}), (30, {})])
def test_what_was_measured_while_another_instance_ran_is_no_reading_of_this_one(
    started: int, readings: dict[str, float]
) -> None:
    state = State(exists=True, running=True, since=AT - timedelta(seconds=started))
    piece = Evidence(source="prometheus", name="error_percent", value=30.0, at=AT, window=timedelta(minutes=1))
    assert view_of(SHOP, state=state, evidence=(piece,), at=AT).readings == readings
