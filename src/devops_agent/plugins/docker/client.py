"""The Docker Engine's HTTP API over its Unix socket, from 20.10 (API 1.41) on; no word of ours.

Source: https://docs.docker.com/reference/api/engine/ (v1.41 and later).
"""

import json
import struct
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from devops_agent.kit.http import Answer, Http, HttpError

Json = dict[str, Any]

OLDEST = (1, 41)
NEWEST = (1, 47)
"""The newest form of the API that this client knows; newer engines still speak it."""

_NOT_FOUND = 404
_UNCHANGED = 304
_SERVER_ERROR = 500
_FRAME = struct.Struct(">BxxxL")
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}


class EngineError(Exception):
    """The engine said no, or nothing; `status` is its HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        """Why there was no answer: a word of `kit.http.Reason`."""

    @property
    def not_found(self) -> bool:
        """Whether the thing asked for does not exist."""
        return self.status == _NOT_FOUND

    @property
    def passing(self) -> bool:
        """Whether the same call may work later."""
        return self.status == 0 or self.status >= _SERVER_ERROR


class Engine:
    """One Docker Engine."""

    def __init__(self, http: Http, *, socket: str) -> None:
        self._http = http
        self._socket = socket
        self._version = ""

    async def containers(self, *, labels: Sequence[str] = ()) -> list[Json]:
        """Return containers in short, running or not; with `labels` (`name`, `name=value`) those that have all."""
        query = {"all": "1", **({"filters": json.dumps({"label": list(labels)})} if labels else {})}
        found: list[Json] = await self._json("GET", "/containers/json", query)
        return found

    async def inspect(self, ref: str) -> Json:
        """Return all about the container that the engine finds under a name, an id or the beginning of an id."""
        found: Json = await self._json("GET", f"/containers/{quote(ref, safe='')}/json")
        return found

    async def image(self, ref: str) -> Json:
        """Return all about an image."""
        found: Json = await self._json("GET", f"/images/{quote(ref, safe='')}/json")
        return found

    async def images(self, *, reference: str) -> list[Json]:
        """Return the images of a repository, newest first."""
        query = {"filters": json.dumps({"reference": [reference]})}
        found: list[Json] = await self._json("GET", "/images/json", query)
        return sorted(found, key=lambda image: image["Created"], reverse=True)

    async def restart(self, container: str, *, patience: int | None, timeout: float) -> None:
        """Stop (killing it after `patience` seconds; None: as the container is set) and start a container."""
        await self._post(f"/containers/{container}/restart", _patience(patience), timeout=timeout)

    async def start(self, container: str, *, timeout: float) -> None:
        """Start a container; one that runs is left alone."""
        await self._post(f"/containers/{container}/start", timeout=timeout)

    async def stop(self, container: str, *, patience: int | None, timeout: float) -> None:
        """Stop a container; one that is stopped is left alone."""
        await self._post(f"/containers/{container}/stop", _patience(patience), timeout=timeout)

    async def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        await self._post(f"/containers/{container}/rename", {"name": name})

    async def create(self, name: str, settings: Json, *, timeout: float) -> str:
        """Create a container and return its id."""
        made: Json = await self._json("POST", "/containers/create", {"name": name}, body=settings, timeout=timeout)
        return str(made["Id"])

    async def connect(self, network: str, container: str, settings: Json) -> None:
        """Connect a container to a further network."""
        path = f"/networks/{quote(network, safe='')}/connect"
        await self._json("POST", path, body={"Container": container, "EndpointConfig": settings})

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container, but no volume; with `force` also one that runs."""
        await self._json("DELETE", f"/containers/{container}", {"force": str(int(force))}, timeout=30.0)

    async def logs(
        self, container: str, *, tail: int, since: float, timeout: float, limit: int, timestamps: bool = False
    ) -> bytes:
        """Return the last `tail` lines, of these what was written since a Unix time (0: ever).

        They are framed by stream, unless the container has a terminal; `frames` takes them apart.
        """
        query = {"stdout": "1", "stderr": "1", "tail": str(tail), "since": f"{since:.3f}"}
        query["timestamps"] = str(int(timestamps))
        answer = await self._ask("GET", f"/containers/{container}/logs", query, timeout=timeout, limit=limit)
        return answer.body

    async def stats(self, container: str, *, timeout: float) -> Json:
        """Return one sample of what a container uses, at once."""
        query = {"stream": "0", "one-shot": "1"}
        found: Json = await self._json("GET", f"/containers/{container}/stats", query, timeout=timeout)
        return found

    async def events(self, *, kinds: Sequence[str], since: float | None = None) -> AsyncGenerator[Json]:
        """Yield what happens to containers, as it happens.

        Raises:
            EngineError: the stream broke off; it never ends otherwise.

        """
        query = {"filters": json.dumps({"type": ["container"], "event": list(kinds)})}
        if since is not None:
            query["since"] = f"{since:.9f}"
        version = await self.version()
        url = f"http://docker/v{version}/events?{urlencode(query)}"
        try:
            async for line in self._http.lines("GET", url, socket=self._socket):
                if line:
                    yield msgspec.json.decode(line)
        except (HttpError, msgspec.DecodeError) as error:
            raise self._lost(error) from error
        raise EngineError(f"cannot go on reading events from {self._socket}: the engine closed the stream")

    async def version(self) -> str:
        """Return the version of the API that engine and client have in common; asked for once.

        Raises:
            EngineError: the engine does not answer, or is too old.

        """
        if not self._version:
            answer = await self._request("GET", "http://docker/version", timeout=5.0)
            said = answer.json()
            newest, oldest = (_numbers(said[key]) for key in ("ApiVersion", "MinAPIVersion"))
            if newest < OLDEST:
                have, need = (".".join(map(str, version)) for version in (newest, OLDEST))
                raise EngineError(f"cannot use the engine at {self._socket}: it speaks API {have}; {need} is needed")
            self._version = ".".join(map(str, max(oldest, min(newest, NEWEST))))
        return self._version

    async def _post(self, path: str, query: Mapping[str, str] | None = None, *, timeout: float = 10.0) -> None:
        await self._json("POST", path, query or {}, timeout=timeout)

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Json | None = None,
        timeout: float = 10.0,
    ) -> Any:  # noqa: ANN401 — each path has its own form
        answer = await self._ask(method, path, query or {}, body=body, timeout=timeout)
        try:
            return answer.json() if answer.body.strip() else None
        except HttpError as error:
            raise self._lost(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: Json | None = None,
        timeout: float,
        limit: int = 8_000_000,
    ) -> Answer:
        version = await self.version()
        url = f"http://docker/v{version}{path}" + (f"?{urlencode(query)}" if query else "")
        content = b"" if body is None else json.dumps(body).encode()
        answer = await self._request(method, url, body=content, timeout=timeout, limit=limit)
        if not answer.ok and answer.status != _UNCHANGED:
            raise EngineError(f"{method} {path}: {_message(answer)}", status=answer.status)
        return answer

    async def _request(
        self, method: str, url: str, *, body: bytes = b"", timeout: float, limit: int = 1_000_000
    ) -> Answer:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            return await self._http.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=timeout,
                limit=limit,
                socket=self._socket,
                # A connection that the engine has closed meanwhile is noticed too late for what must not be sent twice.
                keep=method == "GET",
            )
        except HttpError as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> EngineError:
        # After a restart it may be another engine.
        self._version = ""
        reason = error.reason if isinstance(error, HttpError) else "protocol"
        return EngineError(f"cannot talk to the Docker engine: {error}", reason=reason)


def frames(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Take a log apart: yield (stdout or stderr, bytes) for each frame; a cut-off last frame is yielded as it is."""
    at = 0
    while at + _FRAME.size <= len(body):
        stream, size = _FRAME.unpack_from(body, at)
        at += _FRAME.size
        yield _STREAMS.get(stream, "stdout"), body[at : at + size]
        at += size


def _patience(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"t": str(seconds)}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _message(answer: Answer) -> str:
    try:
        said = answer.json()
    except HttpError:
        said = None
    text = said.get("message") if isinstance(said, dict) else None
    return str(text or answer.text.strip() or f"status {answer.status}")[:500]
