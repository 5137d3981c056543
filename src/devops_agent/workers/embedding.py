"""Embedding: turns texts into vectors, here on this machine or at an API; the texts that leave it are masked first."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Protocol

from devops_agent.analysis.quarantine import Quarantine
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = 4_000
"""Characters of a text that an API is sent."""
_TIMEOUT = 20.0
KINDS = ("local", "hashing", "openai:MODEL")


class Embedder(Protocol):
    """Turns texts into vectors; the same text has the same vector for ever."""

    @property
    def name(self) -> str:
        """What makes the vectors: those of different names cannot be compared."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, all of one length; may take its time.

        Raises:
            PluginError: the API cannot be reached, or refuses.

        """


class ApiEmbedder:
    """Asks an OpenAI-compatible server."""

    def __init__(self, model: str, *, key: str, base_url: str = "") -> None:
        try:
            from langchain_openai import OpenAIEmbeddings
        except ModuleNotFoundError as error:
            message = "cannot embed at an API: install it with `pip install 'devops-ai-agent[ai]'`"
            raise PluginError(message, retryable=False) from error
        self.name = f"openai:{model}"
        self._client = OpenAIEmbeddings(
            model=model,
            api_key=key or "none",  # type: ignore[arg-type]  # pydantic makes a secret of it; a server of one's own may need none
            base_url=base_url or None,
            timeout=_TIMEOUT,
            max_retries=1,
            # Counting tokens would fetch a vocabulary from elsewhere, and other servers know no lists of tokens.
            check_embedding_ctx_length=False,
        )

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the vectors of `texts`, of which the API sees no secret, mail address or machine's address.

        Raises:
            PluginError: see Embedder.

        """
        import openai

        masked = [Quarantine(boundary="text").mask(text, limit=_TEXT) for text in texts]
        try:
            return self._client.embed_documents(masked)
        except openai.OpenAIError as error:
            passing = not isinstance(error, openai.AuthenticationError | openai.BadRequestError | openai.NotFoundError)
            raise PluginError(f"cannot embed with {self.name}: {error}", retryable=passing) from error


def build_embedder(kind: str, *, base_url: str = "", key: str = "") -> Embedder:
    """Return the embedder that `knowledge.embedding` names.

    Raises:
        PluginError: there is none of that name.

    """
    provider, _, model = kind.partition(":")
    if kind == "local":
        from devops_agent.analysis.embedding import LocalEmbedder

        return LocalEmbedder()
    if kind == "hashing":
        from devops_agent.analysis.embedding import HashingEmbedder

        return HashingEmbedder()
    if provider == "openai" and model:
        return ApiEmbedder(model, key=key, base_url=base_url)
    raise PluginError(f"no embedding {kind!r}; known: {', '.join(KINDS)}", retryable=False)


async def vector_of(embedder: Embedder, text: str) -> tuple[float, ...]:
    """Return the vector of one text, of length 1, without holding up what else goes on here.

    Raises:
        PluginError: see Embedder.

    """
    (vector,) = await asyncio.to_thread(embedder.embed, [text])
    values = [float(value) for value in vector]
    length = math.sqrt(sum(value * value for value in values))
    return tuple(value / length for value in values) if length else tuple(values)
