"""Which events of the engine become alerts, and which do not."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from devops_agent.kit.testing import START, FakeClock
from devops_agent.model.target import Target
from devops_agent.plugins.docker.watcher import GRACE, Story


def event(
    action: str, *, name: str = "web", container: str = "", at: float = 0.0, **attributes: str
) -> dict[str, object]:
    moment = START + timedelta(seconds=at)
    return {
        "Action": action,
        "Actor": {"ID": container or f"id-of-{name}", "Attributes": {"name": name, "image": "shop:1", **attributes}},
        "timeNano": int(moment.timestamp()) * 1_000_000_000,
    }


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(auto=False)


@pytest.fixture
def story(clock: FakeClock) -> Story:
    return Story(clock=clock)


def told(story: Story, *events: Mapping[str, object]) -> list[tuple[str, bool]]:
    return [(alert.name, alert.firing) for one in events for alert in story.hear(dict(one))]


def test_a_death_fires_and_a_start_resolves_it(story: Story) -> None:
    [died] = story.hear(event("die", exitCode="1", at=5, **{"devops-agent.service": "shop"}))
    [back] = story.hear(event("start", at=9))
    assert died.labels == {"alertname": "ContainerDied", "container": "web", "severity": "critical", "service": "shop"}
    assert (died.starts_at, died.annotations["exit_code"]) == (START + timedelta(seconds=5), "1")
    assert died.summary == "container web ended by itself, exit code 1"
    assert (back.fingerprint, back.ends_at) == (died.fingerprint, START + timedelta(seconds=9))


def test_a_kill_fires_at_once(story: Story) -> None:
    assert told(story, event("kill", signal="9"), event("die", exitCode="137")) == [("ContainerDied", True)]


async def test_a_restart_is_silent(story: Story, clock: FakeClock) -> None:
    heard = told(story, event("kill", signal="15"), event("die", exitCode="0"), event("stop"), event("start"))
    await clock.advance(GRACE + 1)
    assert (heard, story.overdue(), story.patience()) == ([], [], None)


async def test_a_stop_is_told_after_the_grace_as_meant(story: Story, clock: FakeClock) -> None:
    assert told(story, event("kill", signal="15"), event("kill", signal="9"), event("die"), event("stop")) == []
    assert story.patience() == GRACE
    assert story.overdue() == []
    await clock.advance(GRACE)
    [alert] = story.overdue()
    assert alert.labels["stopped_by_person"] == "true"
    assert story.overdue() == []
    assert told(story, event("start")) == [("ContainerDied", False)]


async def test_a_signal_that_ends_it_without_a_stop_was_not_meant(story: Story, clock: FakeClock) -> None:
    told(story, event("kill", signal="15"), event("die", exitCode="143"))
    await clock.advance(GRACE)
    [alert] = story.overdue()
    assert "stopped_by_person" not in alert.labels
    assert "killed by a signal that somebody sent (15)" in alert.summary


def test_want_of_memory_is_told_once_and_not_as_a_death_too(story: Story) -> None:
    events = (event("oom"), event("oom"), event("die", exitCode="137"), event("start"))
    assert told(story, *events) == [("ContainerOOMKilled", True), ("ContainerOOMKilled", False)]


def test_a_crash_loop_is_told_each_time(story: Story) -> None:
    events = [event("die", exitCode="1"), event("start")] * 3
    assert told(story, *events) == [("ContainerDied", True), ("ContainerDied", False)] * 3


def test_health_is_told_when_it_changes_and_a_start_is_no_proof_of_it(story: Story) -> None:
    ill, well = event("health_status: unhealthy"), event("health_status: healthy")
    assert told(story, well, ill, ill) == [("ContainerUnhealthy", True)]
    assert told(story, event("start")) == []
    assert told(story, well, well) == [("ContainerUnhealthy", False)]


def test_a_container_made_again_under_its_name_takes_over(story: Story) -> None:
    told(story, event("kill", signal="15", container="old"), event("die", container="old"))
    heard = told(story, event("stop", container="old"), event("start", container="new"))
    assert heard + told(story, event("destroy", name="web.before-1", container="old")) == []
    assert story.patience() is None


def test_only_followed_containers_are_told_of_under_their_targets_names(story: Story) -> None:
    story.follow([Target(name="shop", via="docker", ref="web"), Target(name="other", via="process", ref="stranger")])
    assert told(story, event("die", name="stranger")) == []
    [alert] = story.hear(event("die"))
    assert alert.labels["devops_agent_target"] == "shop"


def test_what_ended_while_nobody_listened_is_made_good(story: Story) -> None:
    told(story, event("die", name="a"), event("die", name="b"), event("health_status: unhealthy", name="c"))
    listed = [
        {"Names": ["/a"], "State": "running", "Status": "Up 2 seconds"},
        {"Names": ["/b"], "State": "exited", "Status": "Exited (1)"},
        {"Names": ["/c"], "State": "running", "Status": "Up 1 minute (unhealthy)"},
    ]
    assert [(alert.labels["container"], alert.firing) for alert in story.reconcile(listed)] == [("a", False)]
    listed[2]["Status"] = "Up 1 minute (healthy)"
    assert [alert.labels["container"] for alert in story.reconcile(listed)] == ["c"]
