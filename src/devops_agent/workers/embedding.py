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
_HOME = "https://api.openai.com/v1"
"""Said here, for LangChain would look into the environment first."""
_SHORT = 300
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
        self._key = key
        self._client = OpenAIEmbeddings(
            model=model,
            api_key=key or "none",  # type: ignore[arg-type]  # pydantic makes a secret of it; a server of one's own may need none
            base_url=base_url or _HOME,
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
            raise self._trouble(error, retryable=passing) from error
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise self._trouble(error, retryable=False) from error  # what a server answers may break any of it

    def _trouble(self, error: Exception, *, retryable: bool) -> PluginError:
        """Return what failed; a server may repeat the key that it refuses."""
        text = " ".join(str(error).split())
        text = text.replace(self._key, "•••") if self._key else text
        return PluginError(f"cannot embed with {self.name}: {text[:_SHORT]}", retryable=retryable)


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
        PluginError: see Embedder; or what comes is no vector, and would spoil the search among all that are kept.

    """
    vectors = await asyncio.to_thread(embedder.embed, [text])
    told: list[object] = list(vectors[0]) if len(vectors) == 1 else []
    values = [float(value) for value in told if isinstance(value, int | float)]
    length = math.hypot(*values)
    if not values or len(values) < len(told) or not math.isfinite(length):
        raise PluginError(f"cannot embed with {embedder.name}: what it answers is no vector", retryable=False)
    return tuple(value / length for value in values) if length else tuple(values)
