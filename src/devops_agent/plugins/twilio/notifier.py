"""Sends text messages through Twilio's REST API (Messages resource, version 2010-04-01)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from devops_agent.kit.posting import fields, post, refusal, secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.notice import Message, Receipt
from devops_agent.plugins.twilio.config import Config
from devops_agent.plugins.twilio.texts import text
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from devops_agent.kit.http import Answer

_SERVICE = "Twilio"
_WAYS_OUT: Mapping[int, str] = {
    20003: "check account_sid, api_key and auth_token_file",
    20404: "check account_sid",
    21211: "check `to`: it is no number that can be reached",
    21212: "check `sender`",
    21408: "allow this country under Messaging, Geo permissions, in Twilio's console",
    21606: "choose a `sender` of this account that can send text messages",
    21608: "verify the number in Twilio's console, or leave the trial",
    21610: "this phone has answered STOP; it has to send START to that number",
    21612: "choose another `sender`: this one cannot reach that phone",
    21614: "`to` is no mobile number",
    21617: "this is a fault in how the text was shortened",
}
"""Twilio's error code → what a person can do; every other refusal is explained at twilio.com/docs/api/errors."""


def build(config: Mapping[str, object], *, tools: Tools) -> Twilio:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong.

    """
    return Twilio(settings(Config, config, where="options of a channel via twilio"), tools=tools)


class Twilio:
    """Sends to one phone."""

    updates = False
    knows_repeats = False

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools

    async def send(self, message: Message) -> Receipt:
        """Send it as a text message of two parts at most.

        Raises:
            NotifyError: Twilio refused it, or cannot be reached.

        """
        config = self._config
        form = {"To": config.to, "Body": text(harmless(message))}
        form |= {"From": config.sender} if config.sender else {"MessagingServiceSid": config.messaging_service_sid}
        answer = await post(
            self._tools.http,
            f"{config.url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}/Messages.json",
            body=urlencode(form).encode(),
            headers={"Authorization": self._credentials(), "Content-Type": "application/x-www-form-urlencoded"},
            timeout=config.timeout,
            service=_SERVICE,
        )
        said = fields(answer)
        if not answer.ok:
            raise self._refusal(answer, said)
        sid = said.get("sid")
        return Receipt(id=sid if isinstance(sid, str) else "")

    def _credentials(self) -> str:
        config = self._config
        pair = f"{config.api_key or config.account_sid}:{secret(self._tools, config.auth_token_file)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _refusal(self, answer: Answer, said: Mapping[str, object]) -> NotifyError:
        given = said.get("code")
        code = given if isinstance(given, int) else 0
        says = one_line(str(said.get("message", "")), most=200) + (f" ({code})" if code else "")
        way_out = _WAYS_OUT.get(code, f"see https://www.twilio.com/docs/api/errors/{code or ''}")
        return refusal(answer, service=_SERVICE, says=says.strip(), way_out=way_out, now=self._tools.clock.now())
