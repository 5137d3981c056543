"""Posts notices as JSON in the form of CloudEvents 1.0 (structured mode), signed with HMAC-SHA256.

The signature is `v1=` and the hexadecimal HMAC-SHA256 of `TIMESTAMP.BODY`, where TIMESTAMP is the text of
`X-Devops-Agent-Timestamp`, seconds since 1970. A receiver compares in constant time, refuses timestamps that are more
than five minutes off, and takes each `Idempotency-Key` once.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from devops_agent.kit.posting import fields, post, refusal, secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.fact import to_json
from devops_agent.model.notice import Message, Receipt
from devops_agent.plugins.webhook.config import Config
from devops_agent.ports import NotifyError

SIGNATURE = "X-Devops-Agent-Signature"
TIMESTAMP = "X-Devops-Agent-Timestamp"
IDEMPOTENCY = "Idempotency-Key"


def build(config: Mapping[str, object], *, tools: Tools) -> Webhook:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong.

    """
    return Webhook(settings(Config, config, where="options of a channel via webhook"), tools=tools)


class Webhook:
    """Posts to one receiver."""

    updates = False

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools

    @property
    def knows_repeats(self) -> bool:
        """What the options say: only the receiver knows."""
        return self._config.knows_repeats

    async def send(self, message: Message) -> Receipt:
        """Post it.

        Raises:
            NotifyError: the receiver refused it, or cannot be reached.

        """
        body = to_json(event(harmless(message))).encode()
        answer = await post(
            self._tools.http,
            self._url(),
            body=body,
            headers=self._headers(message.key, body),
            timeout=self._config.timeout,
            service="the webhook's receiver",
        )
        if not answer.ok:
            says = one_line(answer.text, most=200)
            way_out = "see its log, or change `options` of this channel"
            raise refusal(
                answer, service="the webhook's receiver", says=says, way_out=way_out, now=self._tools.clock.now()
            )
        given = fields(answer).get("id")
        return Receipt(id=one_line(given, most=200) if isinstance(given, str) else "")

    def _url(self) -> str:
        url = secret(self._tools, self._config.url_file) if self._config.url_file else self._config.url
        if not url.startswith(("http://", "https://")):
            message = f"{self._config.url_file} holds no URL; it begins with http:// or https://"
            raise NotifyError(message, permanent=True)
        return url

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        at = str(int(self._tools.clock.now().timestamp()))
        headers = {
            "Content-Type": "application/cloudevents+json",
            IDEMPOTENCY: one_line(key, most=200).encode("ascii", "backslashreplace").decode(),
            TIMESTAMP: at,
        }
        if self._config.secret_file:
            headers[SIGNATURE] = sign(body, at=at, key=secret(self._tools, self._config.secret_file))
        if self._config.token_file:
            headers["Authorization"] = f"Bearer {secret(self._tools, self._config.token_file)}"
        return headers


def sign(body: bytes, *, at: str, key: str) -> str:
    """Return the signature of a body that was posted at `at`."""
    return "v1=" + hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def event(message: Message) -> dict[str, Any]:
    """Return what is posted: CloudEvents' own fields, and below `data` everything that is known."""
    question = message.question
    return {
        "specversion": "1.0",
        "id": message.key,
        "source": "/devops-agent",
        "type": f"devops-agent.notice.{message.kind}",
        "time": message.at.isoformat(),
        "datacontenttype": "application/json",
        **({"subject": message.thread} if message.thread else {}),
        "data": {
            "kind": message.kind,
            "severity": message.severity.value,
            "title": message.title,
            "says": message.says,
            "incident": message.thread,
            "target": message.target,
            "closes": message.closes,
            "person": message.person,
            "next_steps": list(message.next_steps),
            "links": dict(message.links),
            "facts": dict(message.facts),
            "lines": list(message.lines),
            "question": question
            and {
                "approval": question.approval,
                "digest": question.digest,
                "summary": question.summary,
                "expires_at": question.expires_at.isoformat(),
            },
            "text": message.body_text,
            "html": message.body_html,
        },
    }
