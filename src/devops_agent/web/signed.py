"""Requests that Slack signs (its version `v0`): which app of ours they are for, and whether they are fresh."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from typing import TYPE_CHECKING

import msgspec

from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.kit.blocks import HOOKS
from devops_agent.web.limits import RateLimit
from devops_agent.web.problem import ProblemError, too_many, unauthorized
from devops_agent.web.repeats import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.ports import Clock

log = logging.getLogger("devops_agent.web")

_WINDOW = 300.0
"""Seconds by which Slack's clock and ours may differ, as Slack recommends."""
_REMEMBERED = 10_000
_WRONG_PER_MINUTE = 30
_WRONG_AT_ONCE = 10
_STAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of a channel `via: slack` say of clicks."""

    signing_secret_file: str = ""
    users: dict[str, str] = {}
    """Slack's id of a person → the name of their account."""
    hooks_url: str = HOOKS


class Signatures:
    """Admits what is signed with the secret of one of our apps, once."""

    def __init__(self, settings: Callable[[], Settings], *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._heard: Memory[str, bool] = Memory(most=_REMEMBERED, span=2 * _WINDOW)
        self._wrong = RateLimit(_WRONG_PER_MINUTE, burst=_WRONG_AT_ONCE)

    def admit(self, headers: Mapping[str, str], body: bytes, *, address: str) -> App:
        """Return the app that a request is for.

        Raises:
            ProblemError: 401 it is not signed, signed too long ago, or was heard before; 404 no channel has buttons;
                429 too many wrong ones from this address.

        """
        apps = list(self._apps())
        if not apps:
            raise ProblemError(404, "no channel has a signing_secret_file (agent.yaml: notify.channels, via slack)")
        at, given = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        app = _signer(apps, at, given, body)
        moment = self._clock.monotonic()
        if app is None:
            if wait := self._wrong.wait(address, now=moment):
                raise too_many(wait, f"too many wrong signatures from {address}")
            raise unauthorized("this is not signed by Slack for an app of ours (agent.yaml: signing_secret_file)")
        if abs(self._clock.now().timestamp() - int(at)) > _WINDOW:
            raise unauthorized("this was signed too long ago; see that this machine's clock is right")
        self._heard.turn(moment)
        if given in self._heard:
            raise unauthorized("this was heard before")
        self._heard.add({given: True})
        return app

    def _apps(self) -> Iterator[App]:
        """Yield one app for each secret, with the people of all its channels."""
        found: dict[str, App] = {}
        for channel in self._settings().notify.channels:
            if channel.via != "slack":
                continue
            try:
                app = msgspec.convert(channel.options, type=App)
            except msgspec.ValidationError as error:
                log.error("clicks of a channel are not taken", extra={"channel": channel.name, "why": str(error)})  # noqa: TRY400
                continue
            known = found.get(app.signing_secret_file)
            users = {**(known.users if known else {}), **app.users}
            found[app.signing_secret_file] = msgspec.structs.replace(app, users=users)
        yield from (app for secret_file, app in found.items() if secret_file)


def sign(secret: str, at: str, body: bytes) -> str:
    """Return Slack's signature of a body that was sent at `at`, seconds since 1970."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()


def _signer(apps: list[App], at: str, given: str, body: bytes) -> App | None:
    """Return the app whose secret signed this; None: it is nobody's."""
    if not _STAMP.fullmatch(at):
        return None
    for app in apps:
        try:
            secret = read_secret(app.signing_secret_file)
        except SecretError as error:
            log.error("clicks are not taken: %s", error)  # noqa: TRY400 — the way out is in it
            continue
        if hmac.compare_digest(sign(secret, at, body).encode(), given.encode("utf-8", "replace")):
            return app
    return None
