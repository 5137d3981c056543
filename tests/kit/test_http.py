"""The HTTP client says what it got, or exactly why it got nothing."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http, HttpError
from tests.kit.answering import OK, own_authority, reason_of, saying, serving


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


async def test_returns_status_headers_body_and_time(http: Http) -> None:
    async with serving(saying(OK)) as url:
        answer = await http.request("GET", f"{url}/health")
    assert (answer.status, answer.ok, answer.json()) == (200, True, {"status": "fine"})
    assert answer.headers["x-who"] == "me"
    assert answer.seconds > 0


async def test_an_error_status_is_an_answer(http: Http) -> None:
    async with serving(saying(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nwait")) as url:
        answer = await http.request("GET", url)
    assert (answer.status, answer.ok, answer.text) == (503, False, "wait")


async def test_sends_body_and_headers_as_they_are(http: Http) -> None:
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        seen.extend(await reader.readexactly(8))
        writer.write(OK)

    async with serving(serve) as url:
        await http.request("POST", url, body=b"timeframe"[:8], headers={"Content-Type": "text/plain", "X-Key": "1"})
    head, _, body = bytes(seen).partition(b"\r\n\r\n")
    assert body == b"timefram"
    assert b"X-Key: 1" in head
    assert b"Content-Type: text/plain" in head
    assert b"Cookie" not in head
    assert b"Accept-Encoding: identity" in head


async def test_a_health_check_opens_a_connection_of_its_own_and_a_client_of_an_api_keeps_its_one(http: Http) -> None:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            writer.write(OK)

    async with serving(serve) as url:
        for _ in range(3):
            await http.request("GET", url)
        assert opened == 3
        for _ in range(3):
            await http.request("GET", url, keep=True)
        assert opened == 4
        await http.close()


async def test_talks_over_a_unix_socket(http: Http, tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(saying(OK), path=path) as url:
        assert (await http.request("GET", f"{url}/_ping", socket=str(path))).status == 200
    assert await reason_of(http.request("GET", f"{url}/_ping", socket=str(tmp_path / "none"))) == "unreachable"


async def test_tells_a_refused_connection(http: Http) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port, and nobody answers
        port = taken.getsockname()[1]
        assert await reason_of(http.request("GET", f"http://127.0.0.1:{port}")) == "refused"
        assert await reason_of(http.request("GET", f"http://localhost:{port}")) == "refused"


async def test_tells_a_name_that_cannot_be_resolved(http: Http) -> None:
    assert await reason_of(http.request("GET", "http://no-such-host.invalid/", timeout=60)) == "dns"


async def test_tells_a_server_that_hangs(http: Http) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as url:
        assert await reason_of(http.request("GET", url, timeout=0.05)) == "timeout"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="closes at once"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="closes in the middle"),
    ],
)
async def test_tells_a_connection_that_breaks_off(http: Http, answer: bytes) -> None:
    async with serving(saying(answer)) as url:
        assert await reason_of(http.request("GET", url)) == "reset"


async def test_tells_what_is_no_http(http: Http) -> None:
    async with serving(saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as url:
        assert await reason_of(http.request("GET", url)) == "protocol"
    assert await reason_of(http.request("GET", "http://")) == "protocol"


async def test_tells_an_answer_that_is_no_json(http: Http) -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\xff\xfe\xfd}")) as url:
        answer = await http.request("GET", url)
    with pytest.raises(HttpError, match="cannot read the answer as JSON"):
        answer.json()


@pytest.mark.parametrize("announced", [True, False])
async def test_reads_no_more_than_the_limit(http: Http, *, announced: bool) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 99999999\r\n" if announced else b"") + b"\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except ConnectionError:
            return

    async with serving(flood) as url:
        assert await reason_of(http.request("GET", url, limit=100_000)) == "too large"


async def test_follows_redirects_to_the_same_server_only_and_only_when_told(http: Http) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        there = {
            b"/health": b"/health/",
            b"/away": b"http://elsewhere.invalid/",
            b"/ring": b"/ring",
            b"/void": b"//[",
        }.get(asked)
        writer.write(b"HTTP/1.1 307 There\r\nContent-Length: 0\r\nLocation: " + there + b"\r\n\r\n" if there else OK)

    async with serving(serve) as url:
        assert (await http.request("GET", f"{url}/health")).status == 307
        assert (await http.request("GET", f"{url}/health", redirects=3)).status == 200
        assert (await http.request("GET", f"{url}/away", redirects=3)).status == 307
        assert (await http.request("GET", f"{url}/ring", redirects=3)).status == 307
        assert (await http.request("GET", f"{url}/void", redirects=3)).status == 307
        assert (await http.request("POST", f"{url}/health", redirects=3)).status == 307


async def test_streams_lines_as_they_come(http: Http) -> None:
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\none\r\ntw")
        await go_on.wait()
        writer.write(b"o\nrest")

    async with serving(serve) as url:
        lines = http.lines("GET", url)
        assert await anext(lines) == b"one"
        go_on.set()
        assert [line async for line in lines] == [b"two", b"rest"]


async def test_a_stream_that_is_refused_or_broken_or_too_wide_is_an_error(http: Http) -> None:
    async with serving(saying(b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone")) as url:
        with pytest.raises(HttpError, match="404 none") as raised:
            await anext(http.lines("GET", url))
        assert (raised.value.reason, raised.value.status) == ("status", 404)
    async with serving(saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")) as url:
        lines = http.lines("GET", url)
        assert await anext(lines) == b"one"
        assert await reason_of(anext(lines)) == "reset"
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200)) as url:
        assert await reason_of(anext(http.lines("GET", url, limit=100))) == "too large"


async def test_checks_certificates_and_reads_when_they_end(http: Http, tmp_path: Path) -> None:
    server, client = own_authority(tmp_path, days=30)
    trusting = Http(tls=client)
    async with serving(saying(OK), tls=server) as url:
        assert await reason_of(http.request("GET", url)) == "tls"
        assert (await trusting.request("GET", url)).status == 200
        ends = await trusting.certificate_ends("localhost", int(url.rpartition(":")[2]))
        await trusting.close()
    assert timedelta(days=29) < ends - datetime.now(UTC) <= timedelta(days=30)


def test_loads_no_other_client_and_no_server() -> None:
    code = "import asyncio, sys; from devops_agent.kit.http import Http; h = Http()\n"
    code += "try: asyncio.run(h.request('GET', 'http://127.0.0.1:1'))\n"
    code += "except Exception: print([name for name in ('aiohttp', 'httpx', 'http.client') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "[]"
