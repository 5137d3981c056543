"""Posts to Slack: an incident's first message is changed in place, and what a person must see is added below it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from devops_agent.kit.posting import fields, post, refusal, retry_after, secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.fact import to_json
from devops_agent.model.notice import Message, Receipt
from devops_agent.model.routing import NEEDS
from devops_agent.plugins.slack.config import Config
from devops_agent.plugins.slack.texts import blocks, text
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from devops_agent.kit.http import Answer

_SERVICE = "Slack"
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
     "team_added_to_org", "message_limit_exceeded", "accesslimited"}
)  # fmt: skip
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
"""The first message cannot be changed any more: another is posted."""
_WAYS_OUT: Mapping[str, str] = {
    "invalid_auth": "put the bot's token into token_file",
    "not_authed": "put the bot's token into token_file",
    "account_inactive": "the app was removed: install it again, and renew token_file",
    "token_revoked": "install the app again, and renew token_file",
    "token_expired": "renew token_file",
    "missing_scope": "give the app the scope chat:write, and install it again",
    "channel_not_found": "check `channel`, and invite the bot: /invite @NAME",
    "not_in_channel": "invite the bot: /invite @NAME in that channel",
    "is_archived": "bring the channel back, or name another in `channel`",
    "restricted_action": "let apps post in that channel (Slack: channel settings)",
}
_RATE = timedelta(seconds=1)
"""Slack takes about a message a second in a channel."""


def build(config: Mapping[str, object], *, tools: Tools) -> Slack:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong.

    """
    return Slack(settings(Config, config, where="options of a channel via slack"), tools=tools)


class Slack:
    """Posts to one channel."""

    updates = True
    knows_repeats = False
    """Slack honours no key of ours for new messages; ours is in each message's `metadata`, for whoever counts."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools

    async def send(self, message: Message) -> Receipt:
        """Post it, or change the thread's first message and, where a person has to see it, answer below it.

        Raises:
            NotifyError: Slack refused it, or cannot be reached.

        """
        told = harmless(message)
        shown = {
            "text": text(told),
            "blocks": to_json(blocks(told, buttons=bool(self._config.signing_secret_file))),
            **_about(told),
        }
        first = message.earlier.data if message.earlier else {}
        if first.get("ts") and first.get("channel") and await self._change(first, shown):
            return await self._add(told, first) if _calls(told) or told.closes else _receipt(first, first["ts"])
        said = await self._call("chat.postMessage", {"channel": self._config.channel, **shown})
        ts = str(said.get("ts", ""))
        return _receipt({"channel": str(said.get("channel", self._config.channel)), "ts": ts}, ts)

    async def _change(self, first: Mapping[str, str], shown: Mapping[str, str]) -> bool:
        """Change the first message; False when it cannot be changed any more."""
        kept = {name: shown[name] for name in ("text", "blocks", "metadata")}
        try:
            await self._call("chat.update", {"channel": first["channel"], "ts": first["ts"], "parse": "none", **kept})
        except _RefusedError as error:
            if error.code in _GONE:
                return False
            raise
        return True

    async def _add(self, told: Message, first: Mapping[str, str]) -> Receipt:
        """Answer below the first message, and where a person is needed in the channel, too: a change calls nobody."""
        said = await self._call(
            "chat.postMessage",
            {
                "channel": first["channel"],
                "thread_ts": first["ts"],
                "reply_broadcast": "true" if _calls(told) else "false",
                "text": text(told),
                **_about(told),
            },
        )
        return _receipt(first, str(said.get("ts", "")))

    async def _call(self, method: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await post(
            self._tools.http,
            f"{self._config.url.rstrip('/')}/{method}",
            body=urlencode(form).encode(),
            headers={
                "Authorization": f"Bearer {secret(self._tools, self._config.token_file)}",
                "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            },
            timeout=self._config.timeout,
            service=_SERVICE,
        )
        said = fields(answer)
        if answer.ok and said.get("ok") is True:
            return said
        raise self._refusal(answer, said)

    def _refusal(self, answer: Answer, said: Mapping[str, Any]) -> NotifyError:
        now = self._tools.clock.now()
        code = one_line(str(said.get("error", "")), most=100)
        if not answer.ok:
            way_out = _WAYS_OUT.get(code, "see the app's settings at api.slack.com")
            error = refusal(answer, service=_SERVICE, says=code, way_out=way_out, now=now)
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS and error.after is None:
                error.after = _RATE
            return error
        if not code:
            says = "Slack's answer cannot be read; the message may have been taken"
            return NotifyError(says, permanent=False, unclear=True)
        if code in _PASSING:
            after = retry_after(answer.headers, now=now)
            return NotifyError(f"Slack does not take it now: {code}", permanent=False, after=after)
        needed = f" (needed: {one_line(str(said['needed']), most=100)})" if said.get("needed") else ""
        way_out = _WAYS_OUT.get(code, "see https://api.slack.com/methods/chat.postMessage#errors")
        return _RefusedError(f"Slack refuses it: {code}{needed}; {way_out}", code=code)


class _RefusedError(NotifyError):
    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, permanent=True)
        self.code = code


def _calls(told: Message) -> bool:
    return told.calls or told.kind in NEEDS


def _about(told: Message) -> dict[str, str]:
    return {
        "metadata": to_json({"event_type": "devops_agent_notice", "event_payload": {"key": told.key}}),
        "unfurl_links": "false",
        "unfurl_media": "false",
    }


def _receipt(first: Mapping[str, str], ts: str) -> Receipt:
    """Return what later messages of the thread need: where its first one is."""
    return Receipt(id=ts, data={"channel": first["channel"], "ts": first["ts"]})
