import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.cli import say
from devops_agent.engine import commands
from devops_agent.model.alert import Severity
from devops_agent.store import events, incidents
from devops_agent.store.rows import Rows
from tests.cli.calling import Caller

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp.exe\r\n\x00 end"


@given(st.text())
def test_nothing_that_a_terminal_would_obey_is_passed_through(text: str) -> None:
    assert say.clean(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert say.clean(text) == text


def test_hostile_text_of_strangers_is_shown_harmlessly(site: Caller) -> None:
    now = datetime.now(UTC)

    def write(rows: Rows) -> str:
        made = incidents.open_(
            rows, target=f"t{HOSTILE}", cause_group="service", kind="down", severity=Severity.CRITICAL,
            title=HOSTILE, now=now,
        )  # fmt: skip
        events.add(rows, "opened", HOSTILE, at=now, incident=made.id, target=made.target, actor=HOSTILE)
        commands.pause(rows, target="", reason=HOSTILE, by=HOSTILE, ends_at=None, now=now)
        return made.id

    id_ = site.rows(write)
    for words in (["incidents"], ["show", id_], ["why", id_], ["status"], ["audit", "list"], ["tail", "--no-follow"]):
        code = 0
        for shown in (site.says(*words, code=code), site.call(*words, "--json", code=code).stdout):
            assert all(letter.isprintable() or letter == "\n" for letter in shown), (words, shown)
    assert "\\x1b[2J" in site.says("show", id_)
    assert site.document("show", id_)["incident"]["title"] == HOSTILE.replace("\x00", "␀")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (90_061, "1 d 1 h")],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert say.span(timedelta(seconds=seconds)) == text


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(days=-9), timedelta(days=9)))
def test_a_time_in_a_timeline_counts_from_its_opening(opened: datetime, after: timedelta) -> None:
    try:
        moment = opened + after
    except OverflowError:
        return
    assert say.since_opening(moment, opened=opened)[0] in "+-"


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    say.table(("a", "b"), [("long one", 1), ("x", None)])
    assert capsys.readouterr().out.splitlines() == ["A         B", "long one  1", "x"]


def test_a_document_has_every_member(capsys: pytest.CaptureFixture[str]) -> None:
    from devops_agent.model.action import Step

    say.document(Step(name="restart", action="docker.restart"))
    shown = json.loads(capsys.readouterr().out)
    assert shown["retries"] == 0
    assert shown["timeout"] == 60.0
