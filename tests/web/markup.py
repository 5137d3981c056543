"""What a page consists of, and the rules that every page obeys."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.web.serving import Answer

HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(1)>"'{{7777*7}}</title>&amp;javascript:"""
VOID = {"meta", "link", "input", "br", "img", "rect", "path"}


class Checked(HTMLParser):
    """Collects what a page consists of, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        elif tag not in VOID:
            self.unbalanced.append(tag)


def check(answer: Answer) -> Checked:
    """See that a page is whole, needs nothing from elsewhere and obeys its own policy; return what it consists of."""
    assert answer.status == 200
    checked = Checked(answer.text)
    assert checked.unbalanced == []
    ids = [attributes["id"] for _, attributes in checked.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "ids are unique"
    for tag, attributes in checked.tags:
        assert "style" not in attributes, "the policy forbids styles in tags"
        assert not any(name.startswith("on") for name in attributes), "the policy forbids handlers in tags"
        for name in ("src", "href", "action"):
            value = attributes.get(name)
            if value is not None and tag != "a":
                assert value.startswith("/"), f"{tag} {name}={value}"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    return checked


def check_harmless(answer: Answer) -> None:
    """See that `HOSTILE`, wherever it stands in a page, is only text."""
    tags = Checked(answer.text).tags
    assert not [tag for tag, _ in tags if tag == "img"]
    scripts = [attributes.get("src") or "" for tag, attributes in tags if tag == "script"]
    assert all(source.startswith("/static/") for source in scripts)
    assert not [a for _, a in tags if (a.get("href") or "").startswith("javascript")]
    assert "54439" not in answer.text
