"""Texts made into vectors at an API, here a small server that speaks as OpenAI does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from devops_agent.ports import PluginError
from devops_agent.workers.embedding import build_embedder, vector_of

KEY = "key-of-the-test"


@dataclass(kw_only=True)
class EmbeddingServer:
    """Answers with (characters, words) of each text, or with `status`."""

    url: str = ""
    status: int = 200
    gives: str = ""
    """What it answers with instead."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        asked = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.asked.append({"path": head.split()[1], **asked})
        self.keys.append(headers["authorization"])
        data = [
            {"object": "embedding", "index": n, "embedding": [float(len(text)), float(len(text.split()))]}
            for n, text in enumerate(asked["input"])
        ]
        answer: dict[str, Any] = {"object": "list", "model": asked["model"], "data": data, "usage": {}}
        if self.status != 200:
            answer = {"error": {"message": "no", "type": "x"}}
        body = (self.gives or json.dumps(answer)).encode()
        head_ = f"HTTP/1.1 {self.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head_}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def embedding_server() -> AsyncIterator[EmbeddingServer]:
    made = EmbeddingServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with embedding_server() as made:
        yield made


async def test_a_text_becomes_the_vector_that_the_server_gives_it_of_length_one(server: EmbeddingServer) -> None:
    embedder = build_embedder("openai:text-embedding-3-small", base_url=server.url, key=KEY)
    assert embedder.name == "openai:text-embedding-3-small"
    assert await vector_of(embedder, "abc") == pytest.approx((3 / 10**0.5, 1 / 10**0.5))
    assert server.asked[0]["path"] == "/v1/embeddings"
    assert server.asked[0]["model"] == "text-embedding-3-small"
    assert server.keys == [f"bearer {KEY}"]


async def test_no_secret_and_no_address_leaves_the_machine(server: EmbeddingServer) -> None:
    embedder = build_embedder("openai:m", base_url=server.url, key=KEY)
    await vector_of(embedder, "login of ada@example.com from 10.1.2.3 failed with password=hunter2-and-more")
    (text,) = server.asked[0]["input"]
    assert "login of" in text
    for hidden in ("ada@example.com", "10.1.2.3", "hunter2"):
        assert hidden not in text


async def test_a_server_of_ones_own_needs_no_key(server: EmbeddingServer) -> None:
    await vector_of(build_embedder("openai:m", base_url=server.url), "abc")
    assert server.keys == ["bearer none"]


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (404, False), (503, True), (429, True)])
async def test_what_the_server_refuses_is_told_and_whether_it_may_pass(
    server: EmbeddingServer, status: int, *, retryable: bool
) -> None:
    server.status = status
    embedder = build_embedder("openai:m", base_url=server.url, key=KEY)
    with pytest.raises(PluginError, match="cannot embed with openai:m") as caught:
        await vector_of(embedder, "abc")
    assert caught.value.retryable is retryable
    assert KEY not in str(caught.value)


async def test_a_server_that_is_away_may_come_back() -> None:
    embedder = build_embedder("openai:m", base_url="http://127.0.0.1:1/v1", key=KEY)
    with pytest.raises(PluginError) as caught:
        await vector_of(embedder, "abc")
    assert caught.value.retryable


@pytest.mark.parametrize("kind", ["", "openai:", "openai", "cohere:x"])
def test_an_embedding_that_there_is_not_is_refused_with_those_that_there_are(kind: str) -> None:
    with pytest.raises(PluginError, match="known: local, hashing, openai:MODEL"):
        build_embedder(kind)


@pytest.mark.parametrize(
    "gives",
    [
        *(
            f'{{"data":[{{"index":0,"embedding":{vector}}}]}}'
            for vector in ("[NaN,1.0]", "[1e999,1.0]", "[]", "[null]")
        ),
        '{"data":[]}',
        '{"data":[{"index":0,"embedding":"text"}]}',
        "[]",
        "no JSON",
    ],
)
async def test_what_is_no_vector_is_refused_and_never_kept(server: EmbeddingServer, gives: str) -> None:
    server.gives = gives
    embedder = build_embedder("openai:small", base_url=server.url, key=KEY)
    with pytest.raises(PluginError, match="cannot embed with openai:small"):
        await vector_of(embedder, "text")


async def test_a_key_that_the_server_repeats_is_not_told(server: EmbeddingServer) -> None:
    server.status, server.gives = 401, json.dumps({"error": {"message": f"{KEY} is refused", "type": "x"}})
    embedder = build_embedder("openai:small", base_url=server.url, key=KEY)
    with pytest.raises(PluginError) as told:
        await vector_of(embedder, "text")
    assert KEY not in str(told.value)


async def test_where_texts_go_is_not_read_from_the_environment(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, server.url)
    monkeypatch.setattr("devops_agent.workers.embedding._HOME", "http://127.0.0.1:9/v1")
    embedder = build_embedder("openai:small", key=KEY)
    with pytest.raises(PluginError):
        await vector_of(embedder, "text")
    assert server.asked == []
