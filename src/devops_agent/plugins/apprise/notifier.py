"""Hands messages to Apprise, on a thread of its own, and makes of what it logs a reason that people can use.

Apprise takes some fifteen megabytes; it is loaded with the first message.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from devops_agent.kit.posting import secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import SettingsError, Tools, settings
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Message, Receipt
from devops_agent.plugins.apprise import texts
from devops_agent.plugins.apprise.config import Config
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from apprise import NotifyBase, NotifyFormat

_STATUS = re.compile(r"\berror=(\d{3})\b")
_STAYS = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
"""HTTP statuses that another try does not change; Apprise tells them in its log only."""
_HIDDEN = "•••"
_SECRET = re.compile(r"[^/?&=:@,;]{6,}")
_THREADED: Mapping[str, Mapping[str, str]] = {
    "pagerduty": {"key": "dedup", "action": "map"},
    "opsgenie": {"key": "alias", "action": "new"},
}
"""Services that keep an incident together by a key: which setting holds it, and what is done.

PagerDuty's incident is closed when ours is. Apprise closes an alert of Opsgenie only by a number that it has to have
kept, so there the end is told under the same alias, and a person closes the alert.
"""


def build(config: Mapping[str, object], *, tools: Tools) -> AppriseNotifier:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong, or the package that it needs is not installed.

    """
    if find_spec("apprise") is None:
        raise SettingsError("via apprise needs a package more: pip install 'devops-ai-agent[notify]'")
    return AppriseNotifier(settings(Config, config, where="options of a channel via apprise"), tools=tools)


class AppriseNotifier:
    """Tells one service."""

    updates = False

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools

    @property
    def knows_repeats(self) -> bool:
        """Whether the service keeps an incident together by our key; known when the URL is in the options."""
        return self._config.url.partition("://")[0].lower() in _THREADED

    async def send(self, message: Message) -> Receipt:
        """Tell it; long texts are cut as the service needs it.

        Raises:
            NotifyError: the URL names no service, the service refused it, or cannot be reached in time.

        """
        url = secret(self._tools, self._config.url_file) if self._config.url_file else self._config.url
        seconds = self._config.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.to_thread(_tell, url, harmless(message))
        except TimeoutError as error:
            why = f"no answer within {seconds:g} s; it may have been taken"
            raise NotifyError(f"cannot tell by {_scheme(url)}: {why}", permanent=False, unclear=True) from error
        return Receipt()


def _tell(url: str, message: Message) -> None:
    """Tell it, waiting."""
    with _listening() as said:
        service = _service(url, message)
        if service is None:
            why = _reason(said, url) or "no such service, or its URL is not whole"
            way_out = "see https://github.com/caronc/apprise/wiki for how it is written"
            raise NotifyError(f"cannot use the URL of {_scheme(url)}: {why}; {way_out}", permanent=True)
        form, body = _body(service, message)
        body = body or texts.calm(message.title)  # Apprise sends nothing that has a title only
        taken = service.notify(body=body, title=texts.title(message), notify_type=_kind(message), body_format=form)
    if not taken:
        reason = _reason(said, url) or "it gives no reason"
        statuses = {int(found) for found in _STATUS.findall(" ".join(said))}
        permanent = bool(statuses) and statuses <= _STAYS
        way_out = "; check the channel's URL" if permanent else ""
        raise NotifyError(f"cannot tell by {_scheme(url)}: {reason}{way_out}", permanent=permanent)


def _service(url: str, message: Message) -> NotifyBase | None:
    """Return Apprise's part for the service, which keeps messages of a thread together where it can."""
    from apprise import Apprise
    from apprise.plugins import url_to_dict

    given: dict[str, Any] | None = url_to_dict(url)  # type: ignore[no-untyped-call]  # Apprise's own
    if given is None:
        return None
    given.setdefault("overflow", "truncate")  # else services refuse what is too long, or it comes in many pieces
    if threaded := _THREADED.get(str(given.get("schema", ""))):
        given.setdefault(threaded["key"], message.thread or message.key)
        given.setdefault("action", threaded["action"])
    return Apprise.instantiate(given)


def _body(service: NotifyBase, message: Message) -> tuple[NotifyFormat, str]:
    """Return the body in the richest form that the service takes."""
    from apprise import NotifyFormat

    given: Any = service.notify_format
    formats = given if isinstance(given, tuple) else (given,)
    if NotifyFormat.HTML in formats:
        return NotifyFormat.HTML, texts.html(message)
    if NotifyFormat.MARKDOWN in formats:
        return NotifyFormat.MARKDOWN, texts.markdown(message)
    return NotifyFormat.TEXT, texts.text(message)


def _kind(message: Message) -> Any:  # noqa: ANN401 — Apprise is loaded late, its types with it
    from apprise import NotifyType

    if message.closes:
        return NotifyType.SUCCESS
    kinds = {Severity.CRITICAL: NotifyType.FAILURE, Severity.WARNING: NotifyType.WARNING}
    return kinds.get(message.severity, NotifyType.INFO)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what Apprise warns of on this thread: it gives its reasons nowhere else."""
    said: list[str] = []
    thread = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                said.append(record.getMessage())

    ear = Ear(level=logging.WARNING)
    heard = logging.getLogger("apprise")
    heard.addHandler(ear)
    try:
        yield said
    finally:
        heard.removeHandler(ear)


def _reason(said: list[str], url: str) -> str:
    """Return what Apprise said, without any part of the URL, for all of them may be secret."""
    reason = one_line("; ".join(dict.fromkeys(said)), most=400)
    for part in sorted(_SECRET.findall(unquote(url.partition("://")[2])), key=len, reverse=True):
        reason = reason.replace(part, _HIDDEN)
    return one_line(reason, most=300)


def _scheme(url: str) -> str:
    return one_line(url.partition("://")[0], most=30) if "://" in url else "an URL without a scheme"
