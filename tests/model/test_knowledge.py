"""The text by which an incident is found."""

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.model.evidence import Evidence
from devops_agent.model.knowledge import text_of
from tests.engine.views import ILL, INCIDENT, firing


def piece(name: str, says: str) -> Evidence:
    return Evidence(source="loki", name=name, at=START, says=says)


def test_it_says_what_is_wrong_where_and_what_was_seen_the_most_telling_first() -> None:
    trace = piece("stack_trace", "KeyError in cart.py:41")
    text = text_of(
        INCIDENT.with_(kind="high_error_rate", title="errors"),
        alerts=[firing("HighErrors")],
        causes=["high_error_rate: KeyError in cart.py (90% sure)"],
        evidence=[ILL, piece("change", "image shop:2"), trace, piece("state", "it is well")],
    )
    assert text == (
        "high error rate on api. errors. HighErrors HighErrors on api. high_error_rate: KeyError in cart.py (#% sure)."
        " KeyError in cart.py:#. image shop:#. GET /health: #"
    )


def test_two_times_of_the_same_trouble_read_the_same() -> None:
    def text(figure: str) -> str:
        return text_of(INCIDENT.with_(title=f"memory at {figure} %, pid {figure}"), alerts=[], causes=[], evidence=[])

    assert text("91") == text("93.5") == text("0xdeadbeef")


@given(title=st.text(), says=st.lists(st.text(), max_size=40))
def test_it_is_never_endless(title: str, says: list[str]) -> None:
    evidence = [piece("log_pattern", one * 1_000) for one in says]
    assert len(text_of(INCIDENT.with_(title=title), alerts=[], causes=[], evidence=evidence)) < 5_000
