"""Texts as vectors, so that alike texts are found; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import itertools
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from devops_agent.analysis.words import stems
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]

_LONGEST_EMBEDDED = 20_000
"""Characters of a text that count: what comes later hardly moves a mean."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """What made a vector; it is kept beside the vector, for only vectors of one name can be compared."""

    @property
    def dimensions(self) -> int:
        """How long each vector is."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text; all zeros for a text without words.

        Raises:
            PluginError: the model cannot be had.

        """


class LocalEmbedder:
    """Mean of word vectors distilled from a language model (WordLlama, 256 dimensions, 16 MB inside its package).

    The package is not imported: that would set up the root logger and load an HTTP client, and it pads all texts of a
    batch to the longest. Only its two files are read, when the first text comes.
    """

    name = "wordllama-l2-supercat-256"
    dimensions = 256

    def __init__(self, folder: Path | None = None) -> None:
        """Build one that reads `weights/` and `tokenizers/` below `folder`; None: the installed package's."""
        self._folder = folder

    @staticmethod
    def installed() -> bool:
        """Whether the package is there."""
        return importlib.util.find_spec("wordllama") is not None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text; all zeros for a text without words."""
        table, tokenizer = self._loaded
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for at, text in enumerate(texts):
            found = tokenizer.encode(_encodable(text), add_special_tokens=False).ids
            if text.strip() and found:
                vectors[at] = table[np.clip(found, 0, len(table) - 1)].mean(axis=0, dtype=np.float32)
        return [list(map(float, vector)) for vector in _of_length_one(vectors)]

    @cached_property
    def _loaded(self) -> tuple[NDArray[np.float16], Tokenizer]:
        try:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            raise PluginError(_NOT_INSTALLED, retryable=False) from error
        folder = self._folder or _package()
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        tokens = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        for path in (weights, tokens):
            if not path.is_file():
                raise PluginError(f"cannot embed texts: no file {path}; install wordllama 0.4 anew", retryable=False)
        return load_file(weights)["embedding.weight"], Tokenizer.from_file(str(tokens))


class HashingEmbedder:
    """Counts of words, word pairs and letter triples, hashed with a sign into a fixed number of places.

    Feature hashing (Weinberger et al., 2009). Needs numpy alone, so it is always there; it sees shared words and
    spellings, not shared meaning.
    """

    dimensions = 512
    name = f"hashing-{dimensions}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text; all zeros for a text without words."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for at, text in enumerate(texts):
            for feature, count in Counter(_features(text[:_LONGEST_EMBEDDED])).items():
                place = zlib.crc32(feature.encode())
                weight = 1 + math.log(count)
                vectors[at, place % self.dimensions] += weight if place & 0x8000_0000 else -weight
        return [list(map(float, vector)) for vector in _of_length_one(vectors)]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how alike two vectors of one embedder are, -1 to 1; 0 when one of them is all zeros."""
    return float(_similarities(one, [other])[0])


def rank(query: Sequence[float], matrix: Sequence[Sequence[float]], *, limit: int = 10) -> list[tuple[int, float]]:
    """Return (row, cosine) of the rows most like `query`, best first; equals in the order of rows.

    Raises:
        ValueError: rows and query differ in length: they come from different embedders.

    """
    if not len(matrix):
        return []
    alike = _similarities(query, matrix)
    return [(int(row), float(alike[row])) for row in np.argsort(-alike, kind="stable")[:limit]]


def _similarities(query: Sequence[float], matrix: Sequence[Sequence[float]]) -> Vectors:
    rows, asked = np.asarray(matrix, dtype=np.float32), np.asarray(query, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != len(asked):  # noqa: PLR2004 — a matrix has two
        raise ValueError(
            f"cannot compare a vector of {len(asked)} numbers with rows of shape {rows.shape[1:]}: "
            f"they come from different embedders; embed both with one"
        )
    rows, asked = np.nan_to_num(rows), np.nan_to_num(asked)
    alike: Vectors = _of_length_one(rows) @ _of_length_one(asked[None, :])[0]
    return alike


def _of_length_one(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _features(text: str) -> list[str]:
    found = stems(text)
    pairs = [f"{one} {other}" for one, other in itertools.pairwise(found)]
    triples = [f"~{word[at : at + 3]}" for word in found for at in range(len(word) - 2)]
    return [feature.encode("utf-8", "replace").decode() for feature in (*found, *found, *pairs, *triples)]


def _encodable(text: str) -> str:
    return text[:_LONGEST_EMBEDDED].encode("utf-8", "replace").decode()


def _package() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise PluginError(_NOT_INSTALLED, retryable=False)
    return Path(spec.origin).parent


_NOT_INSTALLED = (
    "cannot embed texts: the package wordllama is not installed; `pip install wordllama`, or set another embedding"
)
