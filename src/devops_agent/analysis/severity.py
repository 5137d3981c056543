"""How bad an alert without a severity is: by generic words at first, then by how its user labels other alerts."""

from __future__ import annotations

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from devops_agent.analysis.words import stems, words
from devops_agent.model.alert import Alert, Severity
from devops_agent.model.fact import Fact

Numbers = NDArray[np.float32]

KINDS = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
"""What can be judged; `none` marks alerts that say the alerting works."""

CLUES = {
    Severity.CRITICAL: (
        "down dead absent missing disappeared unavailable unreachable unresponsive offline outage stopped halted crash "
        "crashed crashing crashloop panic fatal critical emergency disaster severe immediate full exhausted lost loss "
        "corrupt corruption damaged broken unusable inaccessible deadlock quorum majority leader insufficient blocked "
        "rejecting refused readonly breach compromised unhealthy failed failing cannot unable burning"
    ),
    Severity.WARNING: (
        "warning approaching near nearly almost soon expiring expire renew high slow latency lag behind delayed delay "
        "pending waiting stuck queued backlog moderate increase elevated growing spike unusual flapping restarting "
        "mismatch inconsistent overcommit throttled throttling saturation usage utilization skew drift outdated stale "
        "deprecated low retry retries evicted duplicate unbalanced degraded partial limit"
    ),
    Severity.INFO: (
        "info informational notice rebooted reloaded changed started created completed finished updated upgraded "
        "scheduled succeeded available recovered"
    ),
}
"""Words that lean towards a severity wherever they are used: all that is known before there is a history."""

_USUAL = {Severity.CRITICAL: 0.3, Severity.WARNING: 0.5, Severity.INFO: 0.2}
_CLUE = math.log(2)  # one clue makes a severity twice as likely against the others
_WIDTH = 1 << 13
_MOST = 1_500
_ROUNDS = 200
_STRENGTH = 10.0  # weight of the examples against the prior, as C of logistic regression
_SETTLED = 2e-4  # a round that moves no chance by more is the last
_CONSTANT = 0.25  # small, so that it takes many examples, not one, to move all judgements at once
_FOLDS = 5
_FEW = 40


class Wording(Fact, kw_only=True):
    """What an alert says."""

    name: str
    summary: str = ""
    description: str = ""


class Labelled(Fact, kw_only=True):
    """An alert whose severity somebody has set."""

    wording: Wording
    severity: Severity
    group: str = ""
    """What it belongs to (its service): the confidence is calibrated for groups that were not seen. Empty: its name."""


class Judgement(Fact, kw_only=True):
    """How bad an alert probably is."""

    severity: Severity
    confidence: float
    """0 to 1: how often such a judgement is right."""
    chances: dict[str, float]
    """Severity → chance; they sum to 1."""
    because: tuple[str, ...] = ()
    """Words of the alert that spoke for it most, at most five; text from outside, so hostile."""


def wording(alert: Alert) -> Wording:
    """Return what an alert says in words; labels are left out, for they name places, not troubles."""
    told = alert.annotations
    return Wording(
        name=alert.name,
        summary=told.get("summary") or told.get("message", ""),
        description=told.get("description", ""),
    )


class SeverityModel:
    """Logistic regression over words, word pairs and letter sequences, around what generic words lean to."""

    def __init__(
        self, *, inverse: Numbers | None = None, weights: Numbers | None = None, temperature: float = 1.0
    ) -> None:
        """Build one that knows generic words alone; `train` returns one that has learned."""
        self._inverse = inverse
        """(features,) inverse document frequency; None: nothing learned."""
        self._weights = weights
        """(features + 1, severities) of the learned part, the constant last."""
        self._temperature = temperature

    def judge(self, alert: Alert | Wording) -> Judgement:
        """Return how bad `alert` probably is."""
        said = alert if isinstance(alert, Wording) else wording(alert)
        logits = leaning(said)
        if self._inverse is not None and self._weights is not None:
            row = _with_constant(_weighted(_counted([said]), self._inverse))
            logits = (logits + row[0] @ self._weights) / self._temperature
        chances = _chances(logits[None, :])[0]
        best = int(np.argmax(chances))
        return Judgement(
            severity=KINDS[best],
            confidence=float(chances[best]),
            chances={kind.value: float(chance) for kind, chance in zip(KINDS, chances, strict=True)},
            because=self._because(said, best),
        )

    def _because(self, said: Wording, best: int) -> tuple[str, ...]:
        clues = {word for kind, word in _clues(said) if kind is KINDS[best]}
        worth: dict[str, float] = dict.fromkeys(sorted(clues), _CLUE)
        if self._inverse is not None and self._weights is not None:
            counts = Counter(words(_text(said)))
            for word in counts:
                place = _place(word)
                weights = self._weights[place]
                gain = float(self._inverse[place] * (weights[best] - weights.mean()))
                if gain > 0:
                    worth[word] = worth.get(word, 0.0) + gain
        return tuple(sorted(worth, key=lambda word: -worth[word])[:5])


def train(examples: Sequence[Labelled]) -> SeverityModel:
    """Return a model that has learned from `examples`, newest last; without any it knows generic words alone.

    The learned part is regularised towards zero, so that few examples change little of the prior. The weights are found
    by majorisation (Böhning, 1992) in the dual, so that cost goes with the number of examples: 800 take a second or
    two. The temperature (Guo et al., 2017) is chosen on examples of groups that were held out.
    """
    known = _distinct(examples)
    if not known:
        return SeverityModel()
    counts = _counted([example.wording for example in known])
    inverse = (np.log((1 + len(known)) / (1 + (counts > 0).sum(axis=0))) + 1).astype(np.float32)
    rows = _with_constant(_weighted(counts, inverse))
    kernel = rows @ rows.T
    prior = np.stack([leaning(example.wording) for example in known])
    truth = np.array([KINDS.index(example.severity) for example in known])
    calibrated = _temperature(kernel, prior, truth, _folds(known)) if len(known) >= _FEW else 1.0
    return SeverityModel(inverse=inverse, weights=rows.T @ _fit(kernel, prior, truth), temperature=calibrated)


def leaning(said: Wording) -> Numbers:
    """Return one logit for each of KINDS by generic words in the name and the summary.

    Clues that come together tell less than each alone: n of them count as √n.
    """
    clues = Counter(kind for kind, _ in _clues(said))
    scale = _CLUE / math.sqrt(max(clues.total(), 1))
    return np.array([math.log(_USUAL[kind]) + scale * clues[kind] for kind in KINDS], dtype=np.float32)


def _clues(said: Wording) -> set[tuple[Severity, str]]:
    told = stems(f"{said.name} {said.summary or said.description}")
    return {(kind, word) for word in told for kind in _BY_STEM.get(word, ())}


def _by_stem() -> dict[str, list[Severity]]:
    by_stem: dict[str, list[Severity]] = defaultdict(list)
    for kind, clues in CLUES.items():
        for word in dict.fromkeys(stems(clues)):
            by_stem[word].append(kind)
    return by_stem


_BY_STEM = _by_stem()


def _distinct(examples: Sequence[Labelled]) -> list[Labelled]:
    last = {(example.wording, example.severity): example for example in examples if example.severity in KINDS}
    return list(last.values())[-_MOST:]


def _text(said: Wording) -> str:
    return f"{said.name} . {said.summary} {said.description}"


def _features(said: Wording) -> Iterator[int]:
    """Yield the place of each word and word pair, and, in a range of their own, of each 3 to 5 letters of a word."""
    found = list(words(_text(said)))
    yield from map(_place, found)
    yield from (_place(f"{one} {other}") for one, other in pairwise(found))
    for word in found:
        framed = f" {word} "
        for length in range(3, 6):
            for at in range(len(framed) - length + 1):
                yield _WIDTH + _place(framed[at : at + length])


def _place(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "replace")) % _WIDTH


def _counted(said: Sequence[Wording]) -> Numbers:
    """Return (texts, features) 1 + ln n of each feature, 0 where there is none."""
    rows = np.zeros((len(said), 2 * _WIDTH), dtype=np.float32)
    for at, one in enumerate(said):
        for place, count in Counter(_features(one)).items():
            rows[at, place] = 1 + math.log(count)
    return rows


def _weighted(counts: Numbers, inverse: Numbers) -> Numbers:
    """Return TF-IDF rows in which words and letters have length 1 each."""
    rows = counts * inverse
    for block in (slice(0, _WIDTH), slice(_WIDTH, None)):
        lengths = np.linalg.norm(rows[:, block], axis=1, keepdims=True)
        rows[:, block] /= np.where(lengths > 0, lengths, 1)
    return rows


def _with_constant(rows: Numbers) -> Numbers:
    return np.hstack([rows, np.full((len(rows), 1), _CONSTANT, dtype=np.float32)])


def _fit(kernel: Numbers, prior: Numbers, truth: NDArray[np.intp]) -> Numbers:
    """Return (examples, severities) dual weights that minimise _STRENGTH × log loss + half the squared length."""
    wanted = np.eye(len(KINDS), dtype=np.float32)[truth]
    step = np.linalg.inv(np.eye(len(kernel), dtype=np.float32) + _STRENGTH / 2 * kernel)
    dual = np.zeros_like(wanted)
    for _ in range(_ROUNDS):
        move = step @ (dual + _STRENGTH * (_chances(kernel @ dual + prior) - wanted))
        dual -= move
        if float(np.abs(move).max()) < _SETTLED * _STRENGTH:
            break
    return dual


def _temperature(kernel: Numbers, prior: Numbers, truth: NDArray[np.intp], folds: NDArray[np.intp]) -> float:
    """Return what logits are divided by so that chances come true for groups that were held out."""
    logits = prior.copy()
    for fold in np.unique(folds):
        out, within = folds == fold, folds != fold
        if within.any():
            dual = _fit(kernel[np.ix_(within, within)], prior[within], truth[within])
            logits[out] += kernel[np.ix_(out, within)] @ dual
    candidates = np.geomspace(0.5, 4.0, 61)
    losses = [-np.log(_chances(logits / t)[np.arange(len(truth)), truth] + 1e-9).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def _folds(examples: Sequence[Labelled]) -> NDArray[np.intp]:
    """Return a fold for each example: groups stay together, the largest are dealt out first."""
    groups = [example.group or example.wording.name for example in examples]
    sizes, dealt = [0] * _FOLDS, {}
    for group, size in sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0])):
        dealt[group] = sizes.index(min(sizes))
        sizes[dealt[group]] += size
    return np.array([dealt[group] for group in groups], dtype=np.intp)


def _chances(logits: Numbers) -> Numbers:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Numbers = raised / raised.sum(axis=1, keepdims=True)
    return chances
