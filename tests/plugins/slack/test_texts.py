"""What a message looks like in Slack, and what no label can do there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.blocks import escape
from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.model.notice import Question
from devops_agent.plugins.slack.texts import blocks, text

QUESTION = Question(
    approval="APR-4", digest="d1g3st", summary="restart api", expires_at=message().at + timedelta(hours=1)
)
LIMITS = {"header": 150, "section": 3_000, "button": 75}


def elements(shown: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the buttons by what they do."""
    return {one["action_id"]: one for block in shown if block["type"] == "actions" for one in block["elements"]}


def texts(value: object) -> Iterator[dict[str, Any]]:
    """Return every text object in some blocks."""
    if isinstance(value, dict):
        if value.get("type") in {"plain_text", "mrkdwn"}:
            yield value
        for inner in value.values():
            yield from texts(inner)
    if isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def test_a_question_has_a_yes_and_a_no_for_this_very_plan() -> None:
    buttons = elements(blocks(message(question=QUESTION), buttons=True))
    for action in ("approve", "deny"):
        assert msgspec.json.decode(buttons[action]["value"]) == {"approval": "APR-4", "digest": "d1g3st"}
        assert "confirm" in buttons[action]


def test_an_incident_can_be_acknowledged_and_muted() -> None:
    buttons = elements(blocks(message(), buttons=True))
    assert msgspec.json.decode(buttons["acknowledge"]["value"]) == {"incident": "INC-1"}
    assert msgspec.json.decode(buttons["mute"]["value"]) == {"incident": "INC-1", "minutes": 60}
    assert buttons["open-incident"]["url"] == "https://agent.example.com/incidents/INC-1"


def test_without_a_signing_secret_there_are_links_only() -> None:
    assert elements(blocks(message(question=QUESTION), buttons=False)).keys() == {"open-incident"}


def test_what_is_over_needs_no_acknowledging() -> None:
    assert elements(blocks(message(closes=True), buttons=True)).keys() == {"open-incident"}


def test_markup_of_others_is_escaped() -> None:
    assert escape("<!channel> <https://evil.example|here> & co", most=100) == (
        "&lt;!channel&gt; &lt;https://evil.example|here&gt; &amp; co"
    )


TEXTS = st.text() | st.text("<&>!x", min_size=100, max_size=4_000) | st.sampled_from(["<!here>", "<@U1>", "<#C1|x>"])


@given(title=TEXTS, says=TEXTS, name=TEXTS)
def test_any_text_keeps_slack_s_limits_and_calls_nobody(title: str, says: str, name: str) -> None:
    question = QUESTION.with_(summary=says)
    told = harmless(
        message(
            title=title, says=says, target=name, next_steps=(says,) * 20, facts={name: says, "x": says},
            lines=(says,) * 60, question=question, body_text=says, thread="INC-1",
        )
    )  # fmt: skip
    shown = blocks(told, buttons=True)
    assert len(shown) <= 50
    assert not re.search(r"[<>]", text(told))
    assert len(text(told)) <= 3_000
    for one in texts(shown):
        assert one["type"] == "plain_text"
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", one["text"])
        assert 0 < len(one["text"]) <= 3_000
    for block in shown:
        if block["type"] in {"header", "section"} and "text" in block:
            assert len(block["text"]["text"]) <= LIMITS[block["type"]]
        assert len(block.get("fields", ())) <= 10
        for field in block.get("fields", ()):
            assert len(field["text"]) <= 2_000
    for button in elements(shown).values():
        assert len(button["text"]["text"]) <= 75
        assert len(button.get("value", "")) <= 2_000
        confirm = button.get("confirm")
        assert confirm is None or (len(confirm["title"]["text"]) <= 100 and len(confirm["text"]["text"]) <= 300)
