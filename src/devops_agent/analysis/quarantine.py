"""The quarantine around a model: what goes to it is cleaned, masked data in blocks; what comes back is only text.

Whoever writes a log line, a label or a container's name may write orders into it. So nothing from outside stands beside
our own words: it goes into blocks whose boundary nobody outside can guess, as JSON, without characters that hide or
reorder text. And before anything leaves the machine, secrets and addresses are replaced by placeholders.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from devops_agent.analysis.secrets import Hidden, find, secret_name

Data = str | int | float | bool | None | Sequence["Data"] | Mapping[str, "Data"]

TEXT_LIMIT = 600
"""Characters of one text that a model is shown; a template or a summary says its thing in fewer."""
_ITEMS = 60
_DEPTH = 6
_READ_AT_MOST = 20_000
"""Characters that are searched for secrets before a text is cut: a secret on the cut's edge is then hidden whole."""

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL
)
_UNSEEN = frozenset({"Cf", "Co", "Cn", "Cs"})
_VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u115f\u1160\u3164\uffa0]")
"""Selectors of a glyph's variant, and Hangul fillers: they show nothing and can carry bytes."""
_OPEN, _CLOSE = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_BRACKETS = str.maketrans({_OPEN: "<", _CLOSE: ">"})
"""Placeholders are ours alone: a text from outside can write none."""
_PLACEHOLDER = re.compile(rf"{_OPEN}(?:{'|'.join(Hidden)})-\d{{1,6}}{_CLOSE}")
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}:)?//[^\s)\]>\"']+|\b(?:javascript|vbscript|mailto|data(?=:[\w+-]+[/;,])):[^\s)\]>\"']+",
    re.IGNORECASE,
)
_MENTION = re.compile(r"(?<!\w)[@!](?=(?:channel|here|everyone|all)\b)", re.IGNORECASE)
_FOR_PEOPLE = (Hidden.MAIL, Hidden.ADDRESS)


class Quarantine:
    """What one incident's model may see; the same text always gets the same placeholder.

    Placeholders of mail addresses and machines turn back into what they stood for when people read the answer: whom to
    call, which host. Secrets and card numbers never do: the answer is stored, and it may be their only place.
    """

    def __init__(self, *, boundary: str, known: Iterable[str] = ()) -> None:
        """Build one.

        `boundary` is random, new for each prompt, of letters and digits; `known` are secrets of our own, which are
        hidden wherever they stand.
        """
        self._boundary = boundary
        self._placeholders: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        self._known: dict[str, str] = {}
        for secret in known:
            if secret:
                self._known[secret] = self._placeholder(secret, Hidden.SECRET)

    def mask(self, text: str, *, limit: int = TEXT_LIMIT) -> str:
        """Return a text from outside as a model may see it: cleaned, masked, cut to `limit` characters."""
        cleaned = clean(text[:_READ_AT_MOST])
        for secret, placeholder in self._known.items():
            cleaned = cleaned.replace(secret, placeholder)
        parts: list[str] = []
        begin = 0
        for found in find(cleaned):
            secret = cleaned[found.begin : found.end]
            hidden = secret if _PLACEHOLDER.fullmatch(secret) else self._placeholder(secret, found.kind)
            parts += cleaned[begin : found.begin], hidden
            begin = found.end
        return cut("".join((*parts, cleaned[begin:])), limit=limit)

    def data(self, value: Data) -> Data:
        """Return a value from outside with every text in it masked, names of fields too, and endless lists cut."""
        return self._data(value, 0)

    def block(self, name: str, value: Data) -> str:
        """Return a data block for a prompt: JSON between two boundaries. `name` is a word of ours.

        A secret that is known as such only by its second mention is hidden in its first too.
        """
        known = len(self._known)
        masked = self.data(value)
        if len(self._known) > known:
            masked = self.data(value)
        text = json.dumps(masked, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        return f"<{name}-{self._boundary}>\n{text}\n</{name}-{self._boundary}>"

    def unmask(self, text: str) -> str:
        """Return a text of the model for people: mail addresses and machines by name again."""
        return _PLACEHOLDER.sub(lambda match: self._originals.get(match[0], match[0]), text)

    def answer(self, text: str, *, limit: int = TEXT_LIMIT) -> str:
        """Return a text of the model as it may be stored and shown.

        It is as hostile as what the model read: links, mentions and characters of markup lose their function first, so
        that nothing is fetched, and nothing that was unmasked is carried out in a link.
        """
        plain = _LINK.sub("[link]", clean(text[:_READ_AT_MOST], placeholders=True))
        plain = _MENTION.sub("", plain).replace("](", "] (").replace("`", "'")
        plain = plain.replace("<", _OPEN).replace(">", _CLOSE)
        return cut(self.unmask(" ".join(plain.split())), limit=limit)

    def _data(self, value: Data, depth: int) -> Data:
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if depth >= _DEPTH:
            return "…"
        if isinstance(value, Mapping):
            items = list(value.items())[:_ITEMS]
            return {self.mask(name): self._field(name, inner, depth + 1) for name, inner in items}
        if isinstance(value, Sequence):
            return [self._data(inner, depth + 1) for inner in value[:_ITEMS]]
        return value

    def _field(self, name: str, value: Data, depth: int) -> Data:
        if isinstance(value, str) and value and secret_name(name):
            return self._placeholder(clean(value[:_READ_AT_MOST]), Hidden.SECRET)
        return self._data(value, depth)

    def _placeholder(self, secret: str, kind: Hidden) -> str:
        placeholder = self._placeholders.get(secret)
        if placeholder is None:
            placeholder = f"{_OPEN}{kind}-{len(self._placeholders) + 1}{_CLOSE}"
            self._placeholders[secret] = placeholder
            if kind in _FOR_PEOPLE:
                self._originals[placeholder] = secret
            elif _telling(secret):
                self._known[secret] = placeholder
        return placeholder


def clean(text: str, *, placeholders: bool = False) -> str:
    """Return a text without what deceives the eye or a terminal: escapes, controls, unseen and reordering characters.

    Compatibility forms become plain letters (Unicode's NFKC). Only line breaks and tabs remain of the controls.
    Unless it is a text of the model (`placeholders`), brackets in the form of our placeholders become plain ones.
    """
    plain = unicodedata.normalize("NFKC", _ANSI.sub("", text))
    if not plain.isascii():
        plain = _VARIATION.sub("", plain)
        plain = "".join(char for char in plain if unicodedata.category(char) not in _UNSEEN)
    if not placeholders:
        plain = plain.translate(_BRACKETS)
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in plain)


def cut(text: str, *, limit: int) -> str:
    """Return a text of at most `limit` characters, the last of which says that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _telling(secret: str) -> bool:
    """Whether a secret is so unlike a word of the language that it can be hidden wherever it stands."""
    return len(secret) >= 6 and not secret.isalpha() and not secret.isdigit()  # noqa: PLR2004 — shorter ones are words
