"""A server that speaks as OpenAI, Anthropic and Ollama do, and says what a script tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from devops_agent.app.clock import SystemClock
from devops_agent.kit.testing.reasoner import Turn

SHORT = 10.0
"""Seconds below which a rest is skipped: those between two tries are, the limit of time is not."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """Everything in it."""
        return f"{self.path} {self.headers} {json.dumps(self.body)}"


@dataclass
class ModelServer:
    """Follows a script; after its end it repeats the last turn."""

    turns: Sequence[Turn] = ()
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    hangs: Callable[[], None] = lambda: None
    """Called when a request is to hang."""
    refuses: Callable[[Asked], Turn | None] = lambda _: None
    """Instead of the script, for requests that it says something to."""
    raw: bytes | None = None
    """Instead of everything else: the body as it is."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on a connection of its own."""
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            turn = self.refuses(asked) or self.turns[min(len(self.asked), len(self.turns)) - 1]
            if turn.hangs:
                self.hangs()
                await reader.read()
                return
            status, body = turn.status, _SPEAK[asked.path.rpartition("/")[2]](turn)
            text = json.dumps(body).encode() + b"\n" if self.raw is None else self.raw
            head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
            more = f"retry-after: {turn.after:g}\r\n" if turn.after else ""
            writer.write(f"{head}{more}connection: close\r\n\r\n".encode() + text)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone
        finally:
            writer.close()


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """Give a server on a free port of the loopback."""
    made = ModelServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


class SocketClock(SystemClock):
    """For tests on real sockets: rests take no time, and the limit of time comes when it is told to."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Return at once, or when time is up."""
        if seconds >= SHORT:
            await self.over.wait()


async def _read(reader: asyncio.StreamReader) -> Asked:
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(path=line.split()[1].partition("?")[0], headers=headers, body=json.loads(body or b"{}"))


def _as_openai(turn: Turn) -> dict[str, Any]:
    if turn.status != 200:
        return {"error": {"message": f"the key sk-abc123secret is bad: {turn.text}", "code": turn.text or None}}
    calls = [
        {
            "id": f"call-{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(turn.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if calls:
        message["tool_calls"] = calls
    if turn.refuses:
        message["refusal"] = "I will not."
    end = "length" if turn.cut else "tool_calls" if calls else "stop"
    usage = (
        {
            "prompt_tokens": turn.tokens[0],
            "completion_tokens": turn.tokens[1],
            "total_tokens": sum(turn.tokens),
        }
        if turn.tokens
        else None
    )
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": end}],
        "usage": usage,
    }


def _as_anthropic(turn: Turn) -> dict[str, Any]:
    if turn.status != 200:
        return {"type": "error", "error": {"type": "api_error", "message": "no"}}
    calls = [
        {"type": "tool_use", "id": f"call-{index}", "name": name, "input": given if isinstance(given, dict) else {}}
        for index, (name, given) in enumerate(turn.calls)
    ]
    end = "refusal" if turn.refuses else "max_tokens" if turn.cut else "tool_use" if calls else "end_turn"
    read, wrote = turn.tokens or (0, 0)
    return {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [*([{"type": "text", "text": turn.text}] if turn.text else []), *calls],
        "stop_reason": end,
        "stop_sequence": None,
        "usage": {"input_tokens": read, "output_tokens": wrote},
    }


def _as_ollama(turn: Turn) -> dict[str, Any]:
    if turn.status != 200:
        return {"error": "no"}
    calls = [
        {"function": {"name": name, "arguments": given if isinstance(given, dict) else {}}}
        for name, given in turn.calls
    ]
    counted = {"prompt_eval_count": turn.tokens[0], "eval_count": turn.tokens[1]} if turn.tokens else {}
    return {
        "model": "m",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": turn.text, "tool_calls": calls},
        "done": True,
        "done_reason": "refusal" if turn.refuses else "length" if turn.cut else "stop",
        **counted,
    }


_SPEAK: dict[str, Callable[[Turn], dict[str, Any]]] = {
    "completions": _as_openai,
    "messages": _as_anthropic,
    "chat": _as_ollama,
}
