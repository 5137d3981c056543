"""Posts to a service that tells people, and says in the notifiers' words what came of it."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from devops_agent.kit.http import Answer, Http, HttpError, Reason
from devops_agent.ports import NotifyError, PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from devops_agent.kit.tools import Tools

_PASSING = frozenset({408, 423, 425, 429})
"""Refusals that are over after a while; all others below 500 stay."""
_NEVER_SENT: frozenset[Reason] = frozenset({"dns", "refused", "unreachable", "tls"})
_LONGEST = timedelta(days=1)
_ANSWER = 256_000
_WORDS: Mapping[Reason, str] = {
    "dns": "its name cannot be resolved",
    "refused": "the connection is refused",
    "unreachable": "there is no way to it",
    "timeout": "it does not answer in time",
    "reset": "the connection breaks off",
    "tls": "its certificate is not trusted, or the encryption fails",
    "protocol": "what it answers is no HTTP",
    "too large": "its answer is too large",
    "status": "it refuses",
}


async def post(
    http: Http, url: str, *, body: bytes, headers: Mapping[str, str], timeout: timedelta, service: str
) -> Answer:
    """Post and return the answer, whatever its status.

    Raises:
        NotifyError: no whole answer came; `unclear` unless nothing can have reached the service.

    """
    try:
        return await http.request(
            "POST", url, body=body, headers=headers, timeout=timeout.total_seconds(), limit=_ANSWER
        )
    except HttpError as error:
        # Not the client's own words: they hold the address, whose path is the secret of many a service.
        says = f"cannot reach {service}: {_WORDS[error.reason]}"
        raise NotifyError(says, permanent=False, unclear=error.reason not in _NEVER_SENT) from error


def refusal(answer: Answer, *, service: str, says: str, way_out: str, now: datetime) -> NotifyError:
    """Return the error for an answer that is none of 2xx.

    Args:
        answer: what was answered.
        service: who answered.
        says: its reason, in its own words; may be empty.
        way_out: what a person can do about a refusal that stays.
        now: for a `Retry-After` that names a moment.

    """
    passes = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _PASSING
    message = f"{service} answers {answer.status}" + (f": {says}" if says else "")
    return NotifyError(
        message if passes else f"{message}; {way_out}",
        permanent=not passes,
        after=retry_after(answer.headers, now=now) if passes else None,
    )


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Return how long a service wants to be left (RFC 9110, 10.2.3), a day at most; None: it does not say."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return min(timedelta(seconds=int(given[:9])), _LONGEST)
    try:
        wait = parsedate_to_datetime(given) - now
    except (TypeError, ValueError, OverflowError):  # no date, or one without a zone
        return None
    return min(max(wait, timedelta()), _LONGEST)


def secret(tools: Tools, path: str) -> str:
    """Return a secret's text; it is read each time, so that one that is renewed counts at once.

    Raises:
        NotifyError: it cannot be read, or is empty.

    """
    try:
        found = tools.secret(path)
    except PluginError as error:
        raise NotifyError(str(error), permanent=True) from error
    if not found:
        raise NotifyError(f"{path} is empty; write the secret into it", permanent=True)
    return found


def fields(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON object of an answer; empty when it is none."""
    try:
        said = answer.json()
    except HttpError:
        return {}
    return said if isinstance(said, dict) else {}
