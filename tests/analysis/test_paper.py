"""Papers: what strangers wrote stays text, in Markdown and in HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from devops_agent.analysis import paper
from devops_agent.analysis.paper import Items, Link, Paper, Section, Table, Text

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ALLOWED = {"h1", "h2", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
HOSTILE = [
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "a | b | c\n|---|---|",
    "# heading\n\n* list\n> quote",
    "`code` ~~struck~~ **bold** _em_ \\[x\\](y)",
    "<https://evil.example>",
    "http://evil.example www.evil.example me@evil.example",
    "1. first\n2) second",
    "- [x] done",
    "&lt;b&gt; &#60;",
    "[ref]: https://evil.example",
    "{{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe \x1b[31mred\x00",
    "    indented code",
    "---",
    "===",
]
texts = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text(st.sampled_from("\\`*_[]<>()|~&#!-+=.:/@1 \nwa"))


def of(text: str) -> Paper:
    """Return a paper that holds `text` wherever text can be."""
    return Paper(
        title=text,
        mark=f"draft {text}",
        lead=(text,),
        sections=(
            Section(
                title=text,
                blocks=(
                    Text(says=text),
                    Items(items=(text, Link(text=text, href="/incidents/INC-1"))),
                    Items(items=(text,), ordered=True),
                    Table(head=("a", text), rows=((text, Link(text=text, href=f"/targets/{text}")), (text, text))),
                ),
            ),
        ),
    )


def in_order(tokens: list[object]) -> list[str]:
    return [token.type for token in tokens]  # type: ignore[attr-defined]


@given(texts)
@example("- ")
@example("1.")
def test_in_markdown_a_hostile_text_is_shown_as_it_is_and_makes_nothing(text: str) -> None:
    tokens = READER.parse(paper.markdown(of(text)))
    plain = re.sub(r"\s+", " ", paper.plain(text))
    blocks = {token.tag for token in tokens if token.tag}
    assert blocks <= ALLOWED
    assert not {token.type for token in tokens} & {"html_block", "code_block", "fence", "blockquote_open"}
    inner = [inline.children or [] for inline in tokens if inline.type == "inline"]
    kinds = {child.type for children in inner for child in children}
    assert kinds <= {"text", "text_special", "link_open", "link_close"}
    assert sum(child.type == "link_open" for children in inner for child in children) == 2
    shown = ["".join(child.content for child in children) for children in inner]
    assert shown.count(plain) >= 8 or not plain
    assert len([token for token in tokens if token.type == "td_open"]) == 4


@pytest.mark.parametrize(
    "text", ["http://evil.example", "https://evil.example/x", "see WWW.evil.example", "me@evil.com"]
)
def test_in_markdown_no_bare_address_becomes_a_link(text: str) -> None:
    escaped = paper.escape(text)
    assert not re.search(r"(?i)[a-z]://|www\.[a-z]|[a-z]@[a-z]", escaped)
    assert READER.renderInline(escaped) == text


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def tags(html: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = Tags()
    parser.feed(html)
    return [(tag, tuple(sorted(attributes))) for tag, attributes in parser.tags]


@given(texts)
def test_in_html_a_hostile_text_adds_no_tag_and_no_attribute(text: str) -> None:
    for write in (paper.html, paper.fragment):
        assert tags(write(of(text))) == tags(write(of("harmless")))


@given(texts)
def test_in_html_a_text_is_shown_as_it_is(text: str) -> None:
    parser = Tags()
    parser.feed(paper.fragment(of(text)))
    if plain := paper.plain(text):
        assert parser.words.count(plain) >= 8


def test_a_page_needs_nothing_from_outside() -> None:
    page = paper.html(of("x"))
    assert not re.search(r"(?i)<(script|img|link|iframe|object)|url\(|@import|src=", page)
    assert "prefers-color-scheme: dark" in page


def test_a_long_text_is_cut() -> None:
    assert len(paper.plain("x" * 10_000)) == 500


def test_figures_stay_readable_in_markdown() -> None:
    assert paper.escape("99.9 %") == "99.9 %"
    assert paper.escape("1. first") == r"1\. first"
