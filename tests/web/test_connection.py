"""What comes over a connection before anybody is known is bounded."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from devops_agent.web.connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.web.serving import Running

BEGUN = b"GET /health HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def connected(web: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(web.url).port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def poured(web: Running, begin: bytes, piece: bytes) -> int:
    """Send pieces until the connection is closed; return how many bytes were taken, at most 20 MB."""
    sent = 0
    async with connected(web) as (_, writer):
        writer.write(begin)
        with suppress(ConnectionError):
            while sent < 20_000_000:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /", b"a" * 10_000),
        (BEGUN + b"X-Long: ", b"a" * 10_000),
        (BEGUN, b"X: y\r\n" * 2_000),
        (BEGUN + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 2_000),
        (BEGUN + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 10_000),
        (b"\r\n", b"\r\n" * 5_000),
    ],
    ids=["path", "one header", "many headers", "trailers", "chunk extension", "empty lines"],
)
async def test_a_head_without_end_is_cut_off(web: Running, begin: bytes, piece: bytes) -> None:
    assert await poured(web, begin, piece) < 10_000_000
    assert (await web.get("/health")).status == 200


async def test_who_sends_too_wide_a_head_is_told_so(web: Running) -> None:
    async with connected(web) as (reader, writer):
        writer.write(BEGUN + b"X-Long: " + b"a" * 70_000)
        assert b" 431 " in await reader.readline()


@pytest.mark.parametrize("sent", [b"", BEGUN, b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na"])
async def test_half_a_request_does_not_hold_its_connection(
    web: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Connection, "within", 0.05)
    async with connected(web) as (reader, writer):
        writer.write(sent)
        await reader.read()


async def test_half_a_second_request_does_not_either(web: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "within", 0.05)
    async with connected(web) as (reader, writer):
        writer.write(BEGUN + b"\r\n")
        assert b" 200 " in await reader.readline()
        writer.write(BEGUN)
        await reader.read()


async def test_an_answer_that_goes_on_is_not_cut_off(web: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "within", 0.05)
    async with connected(web) as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-read\r\n\r\n")
        assert b" 200 " in await reader.readline()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read()


async def test_answers_are_sent_at_once_whoever_opened_the_socket(web: Running) -> None:
    assert (await web.get("/status")).status == 200
    assert web.listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "connections inherit it"
