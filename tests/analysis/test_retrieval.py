"""Retrieval: the user's own runbooks are read as they are written, and found by name, link or words."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devops_agent.analysis.retrieval import LIKELY, Document, Library, Section, read_markdown
from devops_agent.model.alert import Alert, AlertStatus

DISK = """---
title: Volumes fill up
alerts: [DiskAlmostFull, VolumeFilling]
runbook_url: https://wiki.example/ops/disk
---
Intro.

# Meaning
A filesystem is running out of space.

```shell
# this is a comment of the shell
df -h
```

Mitigation
----------
Delete old logs.
"""
QUEUE = "# QueueTooLong\n\nMessages wait in the queue and no consumer takes them.\n"
CERTIFICATE = "# Certificates\n\nA certificate expires soon and has not been renewed.\n"


@pytest.fixture
def library() -> Library:
    files = {"disk": DISK, "queue-too-long": QUEUE, "certificates": CERTIFICATE}
    return Library(read_markdown(text, name=name) for name, text in files.items())


def alert(name: str, **annotations: str) -> Alert:
    return Alert(
        fingerprint="1",
        status=AlertStatus.FIRING,
        labels={"alertname": name},
        annotations=annotations,
        starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="test",
    )


def test_markdown_is_cut_at_headings_and_not_at_comments_in_code() -> None:
    read = read_markdown(DISK, name="disk")
    assert read.title == "Volumes fill up"
    assert read.alerts == ("DiskAlmostFull", "VolumeFilling")
    assert read.urls == ("https://wiki.example/ops/disk",)
    assert [section.title for section in read.sections] == ["", "Meaning", "Mitigation"]
    assert "# this is a comment of the shell" in read.sections[1].text
    assert read.sections[2].text == "Delete old logs."


def test_without_front_matter_the_first_heading_is_the_title() -> None:
    read = read_markdown(QUEUE, name="queue")
    assert (read.title, read.alerts, read.urls) == ("QueueTooLong", (), ())
    assert read.lead.startswith("Messages wait")


@pytest.mark.parametrize("front", ["a: [", "- 1", "at: 2026-13-99", "[" * 5000, "&a [*a]", "title: 7"])
def test_front_matter_that_cannot_be_read_is_left_out_and_the_text_kept(front: str) -> None:
    read = read_markdown(f"---\n{front}\n---\n# Down\n\nRestart it.", name="down")
    assert read.sections == (Section(title="Down", text="Restart it."),)
    assert read.title == "Down"


def test_a_rule_line_at_the_top_is_no_front_matter_when_nothing_closes_it() -> None:
    assert "Restart" in read_markdown("---\nRestart it.\n", name="x").whole


@given(st.text())
@example("---\n---\n")
@example("```\n# a\n~~~\n```\n# b")
@example("===\n===\n---")
def test_any_text_is_a_document_and_loses_no_word_of_its_body(text: str) -> None:
    read = read_markdown(text, name="any")
    assert isinstance(read, Document)
    Library([read]).find(text)
    if not text.lstrip("\ufeff").startswith("---"):
        words = {word for word in text.split() if word.isalnum()}
        assert words <= set(read.whole.split())


@given(st.lists(st.sampled_from(["---", "title: a", "alerts: [b]", "# c", "```", "d", "===", "~~~~", ""])))
def test_any_order_of_markdown_lines_is_a_document(lines: list[str]) -> None:
    read = read_markdown("\n".join(lines), name="any")
    assert all(section.title or section.text for section in read.sections)


@pytest.mark.parametrize("name", ["QueueTooLong", "queue_too_long", "QUEUE-TOO-LONG"])
def test_a_runbook_named_as_the_alert_is_found_for_certain_however_it_is_spelt(library: Library, name: str) -> None:
    best = library.find_for(alert(name, summary="A certificate expires soon."))[0]
    assert (best.name, best.score) == ("queue-too-long", 1.0)


def test_a_runbook_that_names_the_alert_is_found_for_certain(library: Library) -> None:
    assert library.find_for(alert("VolumeFilling"))[0].score == 1.0


@pytest.mark.parametrize(
    "url",
    ["https://wiki.example/ops/disk", "https://git.example/a/disk.md?plain=1", "https://git.example/all.md#disk"],
)
def test_the_link_that_an_alert_carries_leads_to_its_runbook(library: Library, url: str) -> None:
    best = library.find_for(alert("Odd", summary="Messages wait.", runbook_url=url))[0]
    assert (best.name, best.score) == ("disk", 1.0)


def test_words_find_a_runbook_of_another_name_and_its_score_says_how_alike(library: Library) -> None:
    best, *others = library.find_for(alert("TlsTrouble", summary="The certificate is expiring and was not renewed"))
    assert best.name == "certificates"
    assert LIKELY < best.score < 1
    assert all(other.score < LIKELY for other in others)


def test_what_shares_no_word_with_any_runbook_finds_none(library: Library) -> None:
    assert library.find("zebra") == []
    assert library.find("") == []
    assert Library([]).find("queue") == []


def test_no_more_than_asked_for_are_found(library: Library) -> None:
    assert len(library.find("the queue has a certificate and a filesystem", limit=2)) == 2


def test_the_lead_counts_more_than_output_pasted_below_it() -> None:
    pasted = Section(title="Output", text="certificate certificate renewed " + "pod running ready " * 50)
    one = Document(name="one", sections=(Section(text="The queue is long."), pasted))
    two = Document(name="two", sections=(Section(text="The certificate has to be renewed."),))
    assert [found.name for found in Library([one, two]).find("certificate not renewed")] == ["two", "one"]
