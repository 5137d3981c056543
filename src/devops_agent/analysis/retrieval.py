"""Finds the runbook of the user's own that an alert is about."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from devops_agent.analysis.words import LONGEST, parts, stems
from devops_agent.model.alert import Alert
from devops_agent.model.fact import Fact

LIKELY = 0.35
"""A score from which a runbook is worth showing to a person (`benchmarks triage` tells how often it is right)."""


class Section(Fact, kw_only=True):
    """A heading and what stands below it."""

    title: str = ""
    text: str = ""


class Document(Fact, kw_only=True):
    """A runbook as people write it."""

    name: str
    """Unique: the file's name without its ending."""
    title: str = ""
    sections: tuple[Section, ...] = ()
    alerts: tuple[str, ...] = ()
    """Names of alerts that it says it is for."""
    urls: tuple[str, ...] = ()
    """Where people find it; an alert's `runbook_url` may be one of them."""

    @property
    def lead(self) -> str:
        """The first section that says anything: what the trouble is."""
        return next((section.text for section in self.sections if section.text.strip()), "")

    @property
    def whole(self) -> str:
        """All of its text."""
        return "\n".join([self.title, *(f"{section.title}\n{section.text}" for section in self.sections)])


class Found(Fact, kw_only=True):
    """A document that may be what was asked for."""

    name: str
    score: float
    """0 to 1; 1: the document is named by the alert or names it."""


def telling(alert: Alert) -> str:
    """Return the words of an alert that tell what is wrong: its name and what is written for people."""
    told = (alert.annotations.get(key, "") for key in ("summary", "description", "message"))
    return "\n".join([alert.name, *told])


class Library:
    """Documents to search.

    The score is the mean of two cosines of TF-IDF vectors over stems (Salton & Buckley, 1988; tf = 1 + ln n, smoothed
    idf): of the query with the document's lead and with the whole. The lead says what the trouble is; commands and
    sample output below it would drown that.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(documents)
        self._fields = (
            _Field([document.lead for document in self.documents]),
            _Field([f"{document.name}\n{document.whole}" for document in self.documents]),
        )
        self._named = _index(
            (name, at)
            for at, document in enumerate(self.documents)
            for name in (document.name, document.title, *document.alerts)
        )
        self._linked = _index((url, at) for at, document in enumerate(self.documents) for url in document.urls)

    def find_for(self, alert: Alert, *, limit: int = 5) -> list[Found]:
        """Return the documents that an alert is most likely about, best first, without those that share no word."""
        url = alert.annotations.get("runbook_url", "")
        sure = {
            *self._linked.get(_key(url), ()),
            *self._named.get(_key(_last_part(url)), ()),
            *self._named.get(_key(alert.name), ()),
        }
        return self._best(telling(alert), sure=sure, limit=limit)

    def find(self, text: str, *, limit: int = 5) -> list[Found]:
        """Return the documents most like `text`, best first, without those that share no word with it."""
        return self._best(text, sure=frozenset(), limit=limit)

    def _best(self, text: str, *, sure: Iterable[int], limit: int) -> list[Found]:
        scores: dict[int, float] = defaultdict(float)
        for field in self._fields:
            for at, alike in field.alike(text).items():
                scores[at] += alike / len(self._fields)
        for at in sure:
            scores[at] += 1
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [Found(name=self.documents[at].name, score=min(score, 1.0)) for at, score in best]


class _Field:
    """TF-IDF of one part of each document, by stem."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(stems(text)) for text in texts]
        seen = Counter(word for count in counts for word in count)
        self._weights = {word: math.log((1 + len(texts)) / (1 + n)) + 1 for word, n in seen.items()}
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for at, count in enumerate(counts):
            for word, weight in self._vector(count).items():
                self._postings[word].append((at, weight))

    def alike(self, text: str) -> dict[int, float]:
        """Return cosine by document, only of those that share a word with `text`."""
        alike: dict[int, float] = defaultdict(float)
        for word, weight in self._vector(Counter(stems(text))).items():
            for at, other in self._postings.get(word, ()):
                alike[at] += weight * other
        return alike

    def _vector(self, count: Mapping[str, int]) -> dict[str, float]:
        raw = {word: (1 + math.log(n)) * self._weights[word] for word, n in count.items() if word in self._weights}
        length = math.sqrt(sum(weight * weight for weight in raw.values()))
        return {word: weight / length for word, weight in raw.items()}


def read_markdown(text: str, *, name: str) -> Document:
    """Read a runbook as people write it: headings, text, and front matter (`title`, `alerts`, `runbook_url`) if any.

    Nothing is refused: what is no heading is text, front matter that is no YAML mapping is left out.
    """
    front, body = _front(text[:LONGEST].replace("\r\n", "\n"))
    sections = _sections(body)
    headed = next((section.title for section in sections if section.title), "")
    return Document(
        name=name,
        title=next(iter(_texts(front.get("title"))), headed),
        sections=sections,
        alerts=tuple(dict.fromkeys([*_texts(front.get("alert")), *_texts(front.get("alerts"))])),
        urls=_texts(front.get("runbook_url")),
    )


def _sections(body: str) -> tuple[Section, ...]:
    """Cut at headings, both of the `#` kind and underlined; a `#` in a fenced block is a comment of a shell."""
    cut: list[tuple[str, list[str]]] = [("", [])]
    fence = ""
    for line in body.split("\n"):
        opened = _FENCE.match(line)
        if opened and not fence:
            fence = opened[1][0] * 3
        elif fence and line.strip().startswith(fence):
            fence = ""
        elif not fence and (heading := _HEADING.match(line)):
            cut.append((heading[1].strip(), []))
            continue
        elif not fence and _UNDERLINE.match(line) and cut[-1][1] and cut[-1][1][-1].strip():
            cut.append((cut[-1][1].pop().strip(), []))
            continue
        cut[-1][1].append(line)
    made = (Section(title=title, text="\n".join(lines).strip()) for title, lines in cut)
    return tuple(section for section in made if section.title or section.text)


def _front(text: str) -> tuple[Mapping[object, object], str]:
    found = _FRONT.match(text)
    if not found:
        return {}, text
    import yaml

    try:
        read = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # ValueError: a date such as 2026-13-99
        read = None
    return (read if isinstance(read, dict) else {}), text[found.end() :]


def _texts(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    return tuple(item.strip() for item in given if isinstance(item, str) and item.strip())


def _index(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = defaultdict(list)
    for text, at in pairs:
        if key := _key(text):
            index[key].append(at)
    return index


def _key(name: str) -> str:
    return "".join(parts(name)).lower()


def _last_part(url: str) -> str:
    """Return what a link ends in: the anchor, else the page's name without its ending."""
    path, _, anchor = url.partition("#")
    return anchor or re.sub(r"\.(md|html?)$", "", path.partition("?")[0].rstrip("/").rpartition("/")[2])


_FRONT = re.compile(r"\A\ufeff?---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(?:={3,}|-{3,})[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
