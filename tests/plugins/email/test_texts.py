"""What a mail looks like, and what no label can do to it."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.model.notice import Question, Receipt
from devops_agent.plugins.email.texts import html, mail, subject

FROM, TO = "agent@example.com", ("alice@example.com",)
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Importance", "MIME-Version", "Content-Type",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects the tags of a page and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


def test_the_subject_says_how_bad_and_what() -> None:
    assert subject(message()) == "[critical] INC-1 api: is down"


def test_a_question_comes_with_the_link_that_answers_it() -> None:
    question = Question(
        approval="APR-4", digest="d", summary="restart api", expires_at=message().at + timedelta(hours=1)
    )
    page = html(message(question=question, links={"approve": "https://a.example.com/approvals/APR-4"}))
    assert "APR-4 waits for a yes or no until" in page
    assert read(page).links == ["https://a.example.com/approvals/APR-4"]


def test_the_page_fits_the_light_and_the_dark_and_loads_nothing() -> None:
    page = html(message())
    assert 'content="light dark"' in page
    assert not re.search(r"src=|url\(|@import|background", page)


def test_a_report_is_shown_as_the_page_that_it_is() -> None:
    report = mail(message(kind="report", body_text="# Week", body_html="<html><p>Week</p></html>"), sender=FROM, to=TO)
    bodies = {part.get_content_type(): part.get_content() for part in report.iter_parts()}
    assert bodies == {"text/plain": "# Week\n", "text/html": "<html><p>Week</p></html>\n"}


TEXTS = st.text() | st.sampled_from(
    [
        "x\r\nBcc: all@example.com",
        "<script>alert(1)</script>",
        '"><img src=x onerror=y>',
        "\u202egpj.exe",
        "</div></body>",
    ]
)


@given(title=TEXTS, says=TEXTS, name=TEXTS, before=TEXTS)
def test_no_text_adds_a_header_or_a_tag(title: str, says: str, name: str, before: str) -> None:
    hostile = message(
        title=title, says=says, target=name, next_steps=(says,), facts={name: says}, lines=(says,),
        earlier=Receipt(id=before, data={"subject": before}),
    )  # fmt: skip
    told = harmless(hostile)
    made = mail(told, sender=FROM, to=TO)
    parsed = message_from_bytes(made.as_bytes(), policy=policy.default)
    assert set(parsed.keys()) <= HEADERS
    assert parsed["To"] == "alice@example.com"
    page = read(html(told))
    plain = read(html(harmless(message(says="x", facts={"x": "x"}, lines=("x",)))))
    assert page.tags <= plain.tags | {"br"}
    assert page.attributes <= plain.attributes
    assert page.links == ["https://agent.example.com/incidents/INC-1"]
