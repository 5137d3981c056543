"""Supervisord's XML-RPC interface (http://supervisord.org/api.html), as far as it is used here."""

from __future__ import annotations

import base64
from typing import Any

from devops_agent.kit.http import Http, HttpError

BAD_NAME = 10
ALREADY_STARTED = 60
NOT_RUNNING = 70

_UNAUTHORIZED = 401


class SupervisordError(Exception):
    """Supervisord refused, or could not be asked; `code` is its fault code, 0 when it said nothing."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Supervisord:
    """One supervisord, over TCP or a Unix socket."""

    def __init__(self, http: Http, url: str, *, username: str = "", password: str = "") -> None:
        self._http = http
        self._where = url
        self._socket = url.removeprefix("unix://") if url.startswith("unix://") else ""
        self._url = "http://supervisord/RPC2" if self._socket else f"{url.rstrip('/')}/RPC2"
        self._headers = {"Content-Type": "text/xml"}
        if username:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"

    async def info(self, name: str, *, timeout: float) -> dict[str, Any]:
        """Return what `getProcessInfo` tells of `program` or `group:program`."""
        answer: dict[str, Any] = await self._call("getProcessInfo", name, timeout=timeout)
        return answer

    async def start(self, name: str, *, timeout: float) -> None:
        """Start a program and wait until it has run for its `startsecs`."""
        await self._call("startProcess", name, timeout=timeout)

    async def stop(self, name: str, *, timeout: float) -> None:
        """Stop a program and wait until it has stopped."""
        await self._call("stopProcess", name, timeout=timeout)

    async def tail(self, name: str, *, channel: str, length: int, timeout: float) -> str:
        """Return the last `length` bytes of a program's `Stdout` or `Stderr` log."""
        text: str = (await self._call(f"tailProcess{channel}Log", name, 0, length, timeout=timeout))[0]
        return text

    async def _call(self, method: str, *params: Any, timeout: float) -> Any:  # noqa: ANN401 — XML-RPC has any type
        """Call a method of the `supervisor` name space.

        Raises:
            SupervisordError: it answered with a fault, or gave no answer.

        """
        from xml.parsers.expat import ExpatError
        from xmlrpc.client import Error, Fault, dumps, loads

        body = dumps(params, f"supervisor.{method}").encode()
        try:
            answer = await self._http.request(
                "POST", self._url, body=body, headers=self._headers, timeout=timeout, socket=self._socket
            )
        except HttpError as error:
            raise SupervisordError(f"cannot ask supervisord at {self._where}: {error}") from error
        if answer.status == _UNAUTHORIZED:
            raise SupervisordError(
                f"cannot ask supervisord at {self._where}: it wants another user or password"
                " (plugins.supervisord.username, .password_file)"
            )
        if not answer.ok:
            raise SupervisordError(f"cannot ask supervisord at {self._where}: it answered {answer.status}")
        try:
            return loads(answer.body)[0][0]
        except Fault as fault:
            raise SupervisordError(str(fault.faultString), code=fault.faultCode) from fault
        except (Error, ExpatError, ValueError, TypeError, LookupError) as error:
            raise SupervisordError(f"cannot read what supervisord at {self._where} answered: {error}") from error
