"""How a tool reaches the agent's HTTP API: in its caller's name, and with the API's own words when it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from mcp.server.mcpserver.exceptions import ToolError

from devops_agent.kit.http import Http, HttpError

if TYPE_CHECKING:
    from devops_agent.kit.http import Answer

_LARGEST = 16_000_000
_WITHIN = 15.0


class ApiError(ToolError):
    """The API did not do what was asked; the message is for the caller, and says the way out."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of the API's answer; 0: there was none."""


class Place:
    """Where the API is."""

    def __init__(self, http: Http, url: str, *, socket: str = "") -> None:
        """`url` has no slash at its end; with a `socket` its host is only a name."""
        self._http = http
        self._url = url
        self._socket = socket

    def __str__(self) -> str:
        """Return it for people."""
        return self._socket or self._url

    async def ask(self, method: str, path: str, *, token: str, body: object = None) -> Answer:
        """Ask with a token.

        Raises:
            ApiError: there was no answer.

        """
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        try:
            return await self._http.request(
                method, self._url + path, body=content, headers=headers, timeout=_WITHIN, limit=_LARGEST,
                socket=self._socket, keep=True,
            )  # fmt: skip
        except HttpError as error:
            says = f"cannot reach the agent's API at {self} ({error.reason}); is `devops-agent run` running there?"
            raise ApiError(says) from error


class Api:
    """The API as one caller may use it."""

    def __init__(self, place: Place, token: str) -> None:
        self._place = place
        self._token = token

    async def get(self, path: str, *names: str, **query: object) -> Any:  # noqa: ANN401 — JSON may be of any shape
        """Read; each `{}` in the path stands for a name, which is quoted.

        Raises:
            ApiError: it was refused, or there was no answer.

        """
        asked = {name: _written(value) for name, value in query.items() if value not in (None, "")}
        return await self._ask("GET", _path(path, names) + (f"?{urlencode(asked)}" if asked else ""))

    async def post(self, path: str, *names: str, **body: object) -> Any:  # noqa: ANN401 — JSON may be of any shape
        """Give a command; `path` as for `get`.

        Raises:
            ApiError: it was refused, or there was no answer, and then it may have been done.

        """
        return await self._ask("POST", _path(path, names), body)

    async def delete(self, path: str, **query: object) -> None:
        """End something.

        Raises:
            ApiError: it was refused, or there was no answer, and then it may have been done.

        """
        await self._ask("DELETE", f"{path}?{urlencode(query)}")

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 — JSON may be of any shape
        answer = await self._place.ask(method, path, token=self._token, body=body)
        if not answer.ok:
            raise refused(answer)
        if not answer.body:
            return None
        try:
            return answer.json()
        except HttpError as error:
            raise ApiError(
                f"cannot use the answer of {self._place}: it is no JSON; is that the agent's API?"
            ) from error


def refused(answer: Answer) -> ApiError:
    """Return what an answer that is no success means, in the API's own sentence."""
    try:
        said = answer.json()
    except HttpError:
        said = None
    detail = said.get("detail") if isinstance(said, dict) else None
    what = detail if isinstance(detail, str) else f"it answered {answer.status}; is that the agent's API?"
    return ApiError(f"refused by the agent ({answer.status}): {what}", status=answer.status)


def _path(path: str, names: tuple[str, ...]) -> str:
    return path.format(*(quote(name, safe="") for name in names))


def _written(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
