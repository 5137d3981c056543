"""What services are handed, and whom no label can call."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.plugins.apprise.texts import calm, html, markdown, text, title


def test_the_title_says_how_bad_it_is() -> None:
    assert title(message()) == "[critical · needs a person] INC-1 api: is down"
    assert title(message(kind="healed", closes=True)) == "[healed] INC-1 api: is down"


def test_each_form_has_every_part() -> None:
    told = message(lines=("one line",))
    for form in (text, markdown, html):
        for part in ("restarting it did not help", "one line", "confidence", "92%", "look at the log", "INC-1"):
            assert part in form(told)


def test_only_our_own_links_are_links_in_markdown() -> None:
    told = markdown(message(says="[click](https://evil.example)"))
    assert re.findall(r"(?<!\\)\[([^\]]*)\]\(", told) == ["Open the incident"]


CALLS = ["@everyone", "@here", "@channel", "<@123>", "<!channel>", "<at>all</at>", "<@&42>", "<#7>", "[a](http://b)"]


@pytest.mark.parametrize("call", CALLS)
def test_what_calls_everybody_is_only_text(call: str) -> None:
    assert calm(call) != call
    assert call not in text(message(says=call))
    assert call not in markdown(message(says=call))
    assert call not in title(message(title=call))


class Tags(HTMLParser):
    """Collects tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, str(dict(attrs).get("href", ""))))


@given(st.text() | st.sampled_from(["<img src=x>", "<a href='//evil'>x</a>", "&lt;b&gt;", "@everyone <b>"]))
def test_no_text_adds_a_tag_or_calls_everybody(hostile: str) -> None:
    told = harmless(message(title=hostile, says=hostile, next_steps=(hostile,), lines=(hostile,), facts={"a": hostile}))
    tags = Tags()
    tags.feed(html(told))
    assert {tag for tag, _ in tags.tags} <= {"b", "br", "a"}
    assert {link for tag, link in tags.tags if tag == "a"} == {"https://agent.example.com/incidents/INC-1"}
    for form in (text, markdown, html, title):
        assert not re.search(r"@(everyone|here|channel|all)\b", form(told), re.IGNORECASE)
