"""From the errors of many providers' packages to one: what failed, and whether asking again can help."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from devops_agent.kit.dialogue import AskError

_MEANINGS = {
    401: "the key was refused (investigation.model.key_file)",
    402: "no credit is left",
    403: "the key may not be used for this",
    404: "there is no such model or address (investigation.model.name, base_url)",
    413: "the question is too long for it",
    429: "it has too much to do, or the key's quota is spent",
}
_PASSING = frozenset({408, 409, 425, 429})
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_NO_SUCH_FORM = frozenset({400, 422, 501})
"""Statuses that servers have for tools or schemas that they do not know; some have 500, and name the tools."""
_QUOTA = "insufficient_quota"
_SHORT = 160


class _AnsweredError(AskError):
    """The provider answered with a status of failure."""

    def __init__(self, message: str, *, status: int, retryable: bool, after: float) -> None:
        super().__init__(message, retryable=retryable, after=after)
        self.status = status


def trouble(error: Exception, *, where: str, key: str) -> AskError:
    """Return what failed, in words for people; `key` never stands in them."""
    host = urlsplit(where).netloc.rpartition("@")[2] or where
    status = _status(error)
    if status:
        quota = getattr(error, "code", None) == _QUOTA
        meaning = _MEANINGS.get(status) or _short(error, key)
        return _AnsweredError(
            f"{host} answers {status}: {meaning}",
            status=status,
            retryable=(status in _PASSING or status >= _SERVER_ERROR) and not quota,
            after=_after(error),
        )
    if any(isinstance(one, OSError) or _of_transport(one) for one in _chain(error)):
        return AskError(f"cannot reach {host}: {_short(error, key)}", retryable=True)
    return AskError(f"cannot use what {host} answers: {type(error).__name__}: {_short(error, key)}", retryable=False)


def refused_form(error: AskError) -> bool:
    """Whether the way of asking may be what was refused: with tools, or with a schema."""
    if not isinstance(error, _AnsweredError):
        return False
    return error.status in _NO_SUCH_FORM or (error.status == _SERVER_ERROR and "tool" in str(error))


def _status(error: Exception) -> int:
    for one in _chain(error):
        found = getattr(one, "status_code", None) or getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(found, int) and found >= _CLIENT_ERROR:
            return found
    return 0


def _after(error: Exception) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        return max(0.0, float(headers.get("retry-after", 0))) if headers is not None else 0.0
    except ValueError:
        return 0.0  # a date: our own rest will do


def _of_transport(error: BaseException) -> bool:
    """Whether it is an error of the connection in httpx, which all providers' packages use."""
    return any(
        kind.__module__.startswith("httpx") and kind.__name__ == "TransportError" for kind in type(error).__mro__
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _short(error: Exception, key: str) -> str:
    text = " ".join(str(error).split())
    return (text.replace(key, "•••") if key else text)[:_SHORT]
