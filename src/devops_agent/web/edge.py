"""The outermost layer: alerts go straight to the intake, every answer carries safe headers, and no error gets out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from devops_agent.web.problem import ProblemError, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from devops_agent.web.proxies import Proxies

log = logging.getLogger("devops_agent.web")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
SAYS_UNFORESEEN = "something went wrong here; the log of the web process says what"
_NO_STORE = (b"cache-control", b"no-store")


class Edge:
    """Wraps the application.

    Posted alerts pass by its layers: those have a limit for bodies that is made for commands, and take time.
    """

    def __init__(self, app: ASGIApp, *, straight: Mapping[str, ASGIApp], proxies: Proxies) -> None:
        """`straight` holds, by path, who answers a POST without the application."""
        self._app = app
        self._straight = straight
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._proxies.unwrap(scope)
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = list(message.get("headers", ()))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message = {**message, "headers": [*headers, *_ALWAYS]}
            await send(message)

        app = self._straight.get(route_path(scope), self._app) if scope["method"] == "POST" else self._app
        try:
            await app(scope, receive, send_safely)
        except Exception:
            log.exception("request failed", extra={"path": scope["path"], "method": scope["method"]})
            if not begun:
                await answer(ProblemError(500, SAYS_UNFORESEEN))(scope, receive, send_safely)


def route_path(scope: Scope) -> str:
    """Return the path of a request below where the application is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))
