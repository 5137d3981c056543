"""Each shipped runbook, made a plan for a sample incident of its kind."""

from pathlib import Path

import pytest

from devops_agent.config.runbooks import KINDS, load_runbooks, shipped_folder
from devops_agent.model.action import Proof
from devops_agent.model.rendering import render
from devops_agent.model.runbook import Plan, Runbook
from devops_agent.model.target import Target, Thresholds
from tests.config.samples import ACTIONS

RUNBOOKS = {runbook.name: runbook for runbook in load_runbooks([shipped_folder()], actions=ACTIONS)}
THRESHOLDS = Thresholds(memory_percent=70, error_percent=2, latency_ms=900)


def plan(name: str, via: str = "docker") -> Plan:
    target = Target(name="shop", via=via, ref="shop-1", thresholds=THRESHOLDS)
    return render(RUNBOOKS[name], incident="INC-1", target=target, offered=ACTIONS)


def actions(name: str, via: str = "docker") -> list[str]:
    return [step.action for step in plan(name, via).steps]


def proof(name: str) -> Proof:
    return plan(name).steps[-1].proof


def test_every_fault_class_has_a_runbook_whatever_acts_on_the_target() -> None:
    general = [runbook for runbook in RUNBOOKS.values() if not runbook.match.via]
    assert sorted(kind for runbook in general for kind in runbook.match.kinds) == sorted(KINDS)


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_every_runbook_is_named_as_its_file_and_tells_people_what_to_do(runbook: Runbook) -> None:
    assert Path(runbook.source).stem == runbook.name
    assert runbook.advice
    assert all(line.endswith(".") for line in (runbook.says, *runbook.advice))


@pytest.mark.parametrize("via", ["docker", "process", "supervisord", "systemd"])
@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_runbook_can_be_filled_in_for_the_plugins_that_it_is_for(name: str, via: str) -> None:
    rendered = plan(name, via)
    assert rendered.advice
    assert all(step.action in ACTIONS for step in rendered.steps)
    assert not any("{" in line for line in rendered.advice)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_looking_never_stops_a_plan_and_acting_is_always_proved(name: str) -> None:
    for step in plan(name).steps:
        if step.action.endswith((".logs", ".stats", ".disk_usage", ".compress_logs")):
            assert step.go_on
        else:
            assert step.proof.asks_anything
            assert not step.go_on


def test_service_down_keeps_the_log_and_restarts() -> None:
    assert actions("service-down") == ["docker.logs", "docker.restart"]
    assert proof("service-down").state == "running"
    assert proof("service-down").healthy


def test_service_unhealthy_restarts_until_healthy() -> None:
    assert actions("service-unhealthy") == ["docker.logs", "docker.restart"]
    assert proof("service-unhealthy").healthy


def test_crash_loop_never_restarts_and_rolls_back_where_that_can_be_done() -> None:
    assert actions("crash-loop") == ["docker.logs", "docker.rollback"]
    assert RUNBOOKS["crash-loop"].match.via == ("docker",)
    assert RUNBOOKS["crash-loop"].priority > RUNBOOKS["crash-loop-told"].priority


def test_out_of_memory_restarts_and_watches_the_memory() -> None:
    assert actions("out-of-memory") == ["docker.logs", "docker.restart"]
    assert proof("out-of-memory").below == {"memory_percent": 70}


def test_memory_pressure_restarts_until_the_memory_is_below_the_limit() -> None:
    assert actions("memory-pressure") == ["docker.stats", "docker.restart"]
    assert actions("memory-pressure", "process") == ["process.restart"]
    assert proof("memory-pressure").below == {"memory_percent": 70}


def test_disk_filling_compresses_before_it_removes_and_restarts_nothing() -> None:
    assert actions("disk-filling") == ["host.disk_usage", "host.compress_logs", "host.clean"]
    assert proof("disk-filling").below == {"disk_percent": 75}


def test_log_growth_keeps_a_sample_and_sees_the_growth_end() -> None:
    assert actions("log-growth") == ["docker.logs", "host.compress_logs", "docker.restart"]
    assert proof("log-growth").below == {"log_growth_mb_per_minute": 50}


def test_high_latency_restarts_once() -> None:
    assert actions("high-latency") == ["docker.stats", "docker.logs", "docker.restart"]
    assert proof("high-latency").below == {"latency_ms": 900}
    assert plan("high-latency").steps[-1].retries == 0


def test_high_error_rate_keeps_the_log_and_restarts_once() -> None:
    assert actions("high-error-rate") == ["docker.logs", "docker.restart"]
    assert proof("high-error-rate").below == {"error_percent": 2}
    assert plan("high-error-rate").steps[-1].retries == 0


@pytest.mark.parametrize(
    "name", ["dependency-down", "unreachable", "certificate-expiry", "flapping", "crash-loop-told"]
)
def test_what_no_action_can_mend_is_told_only(name: str) -> None:
    assert actions(name) == []


def test_a_bad_release_is_taken_back_where_that_can_be_done() -> None:
    assert actions("bad-release") == ["docker.logs", "docker.rollback"]
    assert RUNBOOKS["bad-release"].priority > RUNBOOKS["bad-release-told"].priority


def test_an_exception_in_the_code_is_told_and_not_restarted() -> None:
    assert actions("code-error") == []
