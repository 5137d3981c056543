from datetime import timedelta

import pytest

from devops_agent.kit.testing import START
from devops_agent.model.control import Pause, Silence, silenced

HOUR = timedelta(hours=1)


def silence(**matchers: str) -> Silence:
    return Silence(id="SIL-1", matchers=matchers, by="alice", comment="", begins_at=START, ends_at=START + HOUR)


@pytest.mark.parametrize(
    ("matchers", "covered"),
    [
        ({"alertname": "HighLatency"}, True),
        ({"alertname": "High*"}, True),
        ({"alertname": "High*", "env": "prod"}, True),
        ({"alertname": "High*", "env": "test"}, False),
        ({"alertname": "high*"}, False),
        ({"alertname": "Latency"}, False),
        ({"team": ""}, True),
        ({"team": "*"}, True),
        ({"team": "?*"}, False),
    ],
)
def test_a_silence_covers_what_all_its_matchers_match(matchers: dict[str, str], *, covered: bool) -> None:
    assert silence(**matchers).covers({"alertname": "HighLatency", "env": "prod"}) is covered


@pytest.mark.parametrize(("seconds", "holds"), [(-1, False), (0, True), (3599, True), (3600, False)])
def test_a_silence_holds_from_its_beginning_until_just_before_its_end(seconds: float, *, holds: bool) -> None:
    one = silence(alertname="*")
    assert (silenced([one], {"alertname": "x"}, now=START + timedelta(seconds=seconds)) is one) is holds


def test_the_first_silence_that_covers_is_the_one_named() -> None:
    other, wide, narrow = silence(alertname="y"), silence(alertname="*"), silence(alertname="x")
    assert silenced([other, wide, narrow], {"alertname": "x"}, now=START) is wide
    assert silenced([], {"alertname": "x"}, now=START) is None


@pytest.mark.parametrize(("paused", "target", "holds"), [("", "api", True), ("api", "api", True), ("db", "api", False)])
def test_a_pause_holds_for_its_target_or_for_all(paused: str, target: str, *, holds: bool) -> None:
    assert Pause(id="PAU-1", target=paused, reason="", by="alice", begins_at=START).holds(target) is holds
