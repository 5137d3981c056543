"""Runbooks written as YAML and read again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.config.runbooks import load_runbooks, parse_runbook, shipped_folder
from devops_agent.config.writing import write_runbook
from devops_agent.model.action import Proof, Step
from devops_agent.model.runbook import Match, Runbook
from tests.config.samples import ACTIONS

SHIPPED = load_runbooks([shipped_folder()], actions=ACTIONS)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="{}"), min_size=1, max_size=30)
PLAIN = TEXT.map(str.strip).filter(bool)
SECONDS = st.integers(1, 3600).map(lambda seconds: timedelta(seconds=seconds))
STEPS = st.builds(
    Step,
    name=PLAIN,
    action=st.just("command.reindex"),
    args=st.fixed_dictionaries({}, optional={"words": st.lists(PLAIN, min_size=1, max_size=3).map(tuple)}),
    timeout=SECONDS,
    retries=st.integers(0, 10),
    proof=st.builds(
        Proof,
        state=st.sampled_from(["", "running"]),
        healthy=st.booleans(),
        below=st.dictionaries(st.sampled_from(["disk_percent"]), st.floats(0, 100)),
        within=SECONDS,
    ),
    only_if=st.sampled_from(["", "state.running == false and readings.memory_percent > 80"]),
    undo=st.booleans(),
)
RUNBOOKS = st.builds(
    Runbook,
    name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
    says=PLAIN,
    match=st.builds(
        Match,
        kinds=st.just(("down",)),
        labels=st.dictionaries(PLAIN, PLAIN, max_size=2),
        targets=st.lists(PLAIN, max_size=2).map(tuple),
    ),
    steps=st.lists(STEPS, min_size=1, max_size=3, unique_by=lambda step: step.name).map(tuple),
    advice=st.lists(PLAIN, max_size=2).map(tuple),
    settle=st.integers(0, 100).map(float),
    priority=st.integers(-5, 5),
)


def read(text: str) -> Runbook:
    return parse_runbook(text.encode(), file="own.yaml", actions=ACTIONS).with_(source="")


@pytest.mark.parametrize("book", SHIPPED, ids=lambda book: book.name)
def test_every_shipped_runbook_is_read_again_as_it_was(book: Runbook) -> None:
    assert read(write_runbook(book)) == book.with_(source="")


@given(book=RUNBOOKS)
def test_any_runbook_is_read_again_as_it_was(book: Runbook) -> None:
    assert read(write_runbook(book)) == book


@given(comment=st.text())
def test_whatever_a_comment_says_it_stays_one(comment: str) -> None:
    book = SHIPPED[0]
    text = write_runbook(book, comments=[comment.encode("utf-8", "replace").decode()])
    assert text.splitlines()[0].startswith("#")
    assert [line for line in text.splitlines() if line.startswith("name:")] == [f"name: {book.name}"]
