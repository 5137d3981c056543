"""Noise: what would have saved how much, measured on what happened."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.noise import noisy
from devops_agent.kit.testing import START
from devops_agent.model.report import Firing, Noisy

MINUTE = timedelta(minutes=1)


def firing(at: float, lasts: float | None, *, incident: str = "", alert: str = "HighLatency", of: str = "a") -> Firing:
    """Return a firing; times are minutes."""
    began = START + at * MINUTE
    ended = None if lasts is None else began + lasts * MINUTE
    return Firing(alert=alert, target="api", fingerprint=of, began_at=began, ended_at=ended, incident=incident)


def judged(some: list[Firing], *, ending: str = "by_itself", messages: int = 2) -> Noisy:
    ids = {one.incident for one in some if one.incident}
    (found,) = noisy(some, endings=dict.fromkeys(ids, ending), messages=dict.fromkeys(ids, messages))
    return found


def test_a_rule_whose_firings_end_soon_by_themselves_should_wait() -> None:
    found = judged([firing(60 * n, 3.5, incident=f"INC-{n}") for n in range(6)])
    assert "for: 5m" in found.advice
    assert (found.saved_firings, found.messages, found.saved_messages) == (6, 12, 12)


def test_a_rule_that_goes_on_and_off_should_hold_on() -> None:
    found = judged([firing(30 * n, 29, incident="INC-1") for n in range(8)])
    assert "keep_firing_for: 2m" in found.advice
    assert (found.saved_firings, found.saved_messages) == (7, 0)  # the first one, and its incident, stay


def test_what_led_to_a_repair_is_never_counted_as_saved() -> None:
    found = judged([firing(60 * n, 1, incident=f"INC-{n}") for n in range(6)], ending="alone")
    assert "healed alone each time" in found.advice
    assert (found.saved_firings, found.saved_messages) == (0, 0)


def test_an_alert_that_never_opens_an_incident_should_go() -> None:
    assert "drop the rule" in judged([firing(60 * n, 50) for n in range(4)]).advice


def test_one_rule_for_many_like_things_should_sum_over_them() -> None:
    some = [firing(0, None, incident="INC-1", of=str(n)) for n in range(20)]
    assert "sum over them" in judged(some, ending="by_people").advice


def test_what_fires_once_is_no_noise_and_the_most_frequent_comes_first() -> None:
    some = [firing(0, 50, alert="Once"), *(firing(60 * n, 50, alert="Twice") for n in range(2))]
    some += [firing(60 * n, 50, alert="Often") for n in range(9)]
    assert [one.alert for one in noisy(some, endings={}, messages={})] == ["Often", "Twice"]


@given(
    st.lists(
        st.builds(
            firing,
            st.integers(0, 10_000),
            st.none() | st.integers(0, 100),
            incident=st.sampled_from(["", "INC-1", "INC-2", "INC-3"]),
            alert=st.sampled_from(["A", "B"]),
            of=st.sampled_from(["a", "b"]),
        ),
        max_size=40,
    ),
    st.dictionaries(st.sampled_from(["INC-1", "INC-2", "INC-3"]), st.sampled_from(["alone", "by_itself", "by_people"])),
    st.dictionaries(st.sampled_from(["INC-1", "INC-2", "INC-3"]), st.integers(0, 9)),
)
def test_no_more_is_saved_than_there_was(some: list[Firing], endings: dict[str, str], messages: dict[str, int]) -> None:
    for one in noisy(some, endings=endings, messages=messages):
        assert 0 <= one.saved_firings <= one.firings
        assert 0 <= one.saved_messages <= one.messages <= sum(messages.values())
        assert one.advice
