"""Makes allow-listed HTTP calls as actions."""

import asyncio
import json
import re
import socket
from collections.abc import Mapping
from urllib.parse import quote_plus, urlsplit

from devops_agent.kit.http import Answer, Http, HttpError, Reason, bare
from devops_agent.kit.once import Once
from devops_agent.kit.tools import SettingsError, Tools, settings
from devops_agent.model.action import Action, Argument, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.http.config import Call, Config
from devops_agent.ports import Guardian, PluginError

PREFIX = "http.call."

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NEVER_SENT: frozenset[Reason] = frozenset({"dns", "refused", "unreachable", "tls"})
_TOO_BUSY = frozenset({408, 425, 429})
_SERVER_ERROR = 500


def build(config: Mapping[str, object], *, tools: Tools) -> "HttpActuator":
    """Return the actuator.

    Raises:
        SettingsError: a call has no http or https URL.

    """
    calls = settings(Config, config, where="plugins.http").calls
    for name, call in calls.items():
        if urlsplit(call.url).scheme not in {"http", "https"} or not urlsplit(call.url).hostname:
            message = f"plugins.http.calls.{name}.url: {call.url!r} is no URL; write http://host/path or https://…"
            raise SettingsError(message)
    return HttpActuator(calls, tools=tools)


class HttpActuator:
    """Offers each call of the allow-list as `http.call.NAME`."""

    def __init__(self, calls: Mapping[str, Call], *, tools: Tools) -> None:
        self._calls = dict(calls)
        self._http: Http = tools.http
        self._guardian: Guardian = tools.guardian
        self._secret = tools.secret
        self._once = Once()

    def actions(self) -> list[Action]:
        """Return one action for each call; the placeholders of its body are the parameters."""
        return [
            Action(
                name=PREFIX + name,
                says=call.says or f"{call.method} {bare(call.url)}",
                risk=call.risk,
                blast=Blast.NOTHING if call.risk is Risk.READ else Blast.TARGET,
                params={word: Param(says=f"Fills {{{word}}} in the body.", required=True) for word in _words(call)},
                idempotent=_idempotent(call),
            )
            for name, call in self._calls.items()
        ]

    async def observe(self, target: Target) -> State:
        """Return whether anything answers under the target's URL (`ref`, else its first http check)."""
        url = _url_of(target)
        try:
            answer = await self._http.request("GET", url)
        except HttpError as error:
            if error.reason == "refused":
                return State(exists=True, running=False, says=str(error))
            raise PluginError(str(error)) from error
        return State(exists=True, running=True, says=f"GET {bare(url)} answers {answer.status}")

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return the names of the target, and the host and local port that it or the step's call speaks to."""
        names = {target.name, target.ref} - {""}
        urls = [self._call(step).url] if step else [url for url in (_url_or_nothing(target),) if url]
        return await _identity(names, urls)

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Call; the server is handed the key as `Idempotency-Key`. See `Actuator.execute`."""
        call = self._call(step)
        body = _fill(call, step.args)
        return await self._once.do(key, lambda: self._do(call, body, step=step, target=target, key=key))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Return UNKNOWN: whether a call arrived cannot be seen from here."""
        return Effect.UNKNOWN

    async def _do(self, call: Call, body: bytes, *, step: Step, target: Target, key: str) -> Result:
        headers = {**call.headers, "Idempotency-Key": key}
        if call.token_file:
            headers["Authorization"] = f"Bearer {self._secret(call.token_file)}"
        if body and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = _content_type(call)
        self._guardian.refuse(await self.identify(target, step=step))
        seconds = step.timeout.total_seconds()
        try:
            answer = await self._http.request(call.method, call.url, body=body, headers=headers, timeout=seconds)
        except HttpError as error:
            raise PluginError(str(error), retryable=error.reason in _NEVER_SENT or _idempotent(call)) from error
        return _result(call, answer)

    def _call(self, step: Step) -> Call:
        call = self._calls.get(step.action.removeprefix(PREFIX)) if step.action.startswith(PREFIX) else None
        if call is None:
            known = ", ".join(PREFIX + name for name in self._calls) or "none; add one to plugins.http.calls"
            raise PluginError(f"no action {step.action!r}; known: {known}", retryable=False)
        return call


def _idempotent(call: Call) -> bool:
    return call.method.upper() in {"GET", "HEAD", "PUT", "DELETE"} if call.idempotent is None else call.idempotent


def _words(call: Call) -> list[str]:
    return list(dict.fromkeys(_PLACEHOLDER.findall(call.body)))


def _fill(call: Call, args: Mapping[str, Argument]) -> bytes:
    """Put the arguments into the body, quoted so that none can say more than its one value.

    Raises:
        PluginError: an argument is missing, or one is given that the body does not ask for.

    """
    words = _words(call)
    if set(words) != set(args):
        takes, given = ", ".join(words) or "no arguments", ", ".join(args) or "-"
        message = f"cannot call {bare(call.url)}: it takes {takes}; given: {given}"
        raise PluginError(message, retryable=False)
    form = _content_type(call)
    return _PLACEHOLDER.sub(lambda found: _quote(_text(args[found[1]]), form), call.body).encode()


def _content_type(call: Call) -> str:
    given = next((value for name, value in call.headers.items() if name.lower() == "content-type"), "")
    if given:
        return given.partition(";")[0].strip().lower()
    return "application/json" if call.body.lstrip()[:1] in {"{", "["} else "text/plain"


def _quote(text: str, form: str) -> str:
    if form == "application/json":
        return json.dumps(text)[1:-1]
    return quote_plus(text) if form == "application/x-www-form-urlencoded" else text


def _text(value: Argument) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _result(call: Call, answer: Answer) -> Result:
    said = " ".join(answer.body[:1_000].decode(errors="replace").split())[:300]
    if answer.status not in call.expect_status:
        again = answer.status in _TOO_BUSY or answer.status >= _SERVER_ERROR
        raise PluginError(f"{call.method} {bare(call.url)} answers {answer.status}: {said}", retryable=again)
    milliseconds = answer.seconds * 1000
    return Result(
        ok=True,
        says=f"{call.method} {bare(call.url)} answers {answer.status} after {milliseconds:.0f} ms",
        changed=call.risk is not Risk.READ,
        data={"status": answer.status, "body": said},
    )


def _url_or_nothing(target: Target) -> str:
    if target.ref.startswith(("http://", "https://")):
        return target.ref
    return next((check.url for check in target.checks if check.kind == "http"), "")


def _url_of(target: Target) -> str:
    url = _url_or_nothing(target)
    if not url:
        raise PluginError(
            f"cannot observe {target.name}: it has neither a URL as `ref` nor an http check", retryable=False
        )
    return url


async def _identity(names: set[str], urls: list[str]) -> Identity:
    hosts: set[str] = set()
    ports: set[int] = set()
    for url in urls:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        hosts.add(host)
        if await _is_this_machine(host, port):
            ports.add(port)
    return Identity(names=frozenset(names | hosts), ports=frozenset(ports))


async def _is_this_machine(host: str, port: int) -> bool:
    """Tell whether a host, however it is written, is this machine: an address that can be bound is its own."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, _, _, _, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as ours:
            try:
                ours.bind((address[0], 0))
            except OSError:
                continue
            return True
    return False
