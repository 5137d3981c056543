"""Connections are few, are kept only where that is safe, and lead to whichever address answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from tests.kit.answering import OK, own_authority, reason_of, saying, serving


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http(connections=3)
    yield client
    await client.close()


@pytest.mark.parametrize("keep", [True, False])
async def test_no_more_connections_are_open_at_once_than_allowed(http: Http, *, keep: bool) -> None:
    open_now: set[asyncio.StreamWriter] = set()
    most = 0
    full = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        open_now.add(writer)
        most = max(most, len(open_now))
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if len(open_now) == 3:
                    full.set()
                await full.wait()
                if not keep:
                    open_now.discard(writer)
                writer.write(OK)
        except asyncio.IncompleteReadError:
            return

    async with serving(serve) as url:
        answers = await asyncio.gather(*(http.request("GET", url, keep=keep) for _ in range(20)))
        await http.close()
    assert all(answer.ok for answer in answers)
    assert most == 3


async def test_waiting_for_a_connection_counts_as_waiting_for_the_answer(http: Http) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as url:
        reasons = await asyncio.gather(*(reason_of(http.request("GET", url, timeout=0.05)) for _ in range(9)))
    assert set(reasons) == {"timeout"}


async def test_a_name_leads_to_whichever_of_its_addresses_answers(http: Http) -> None:
    async with serving(saying(OK)) as url:  # on 127.0.0.1 alone; localhost may well mean ::1 first
        assert (await http.request("GET", url.replace("127.0.0.1", "localhost"))).ok


@pytest.mark.parametrize("name", ["a..b", "x" * 70 + ".example", "no such host"])
async def test_a_name_that_can_be_none_is_not_resolved(http: Http, name: str) -> None:
    assert await reason_of(http.request("GET", f"http://{name}/")) == "dns"


async def test_a_client_that_was_closed_can_be_used_again(http: Http) -> None:
    async with serving(saying(OK)) as url:
        for _ in range(2):
            assert (await http.request("GET", url, keep=True)).ok
            await http.close()


async def test_over_tls_too_a_connection_is_kept_and_an_answer_that_is_cut_off_is_a_reset(tmp_path: Path) -> None:
    server, client = own_authority(tmp_path, days=2)
    http = Http(tls=client)
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        for answer in (OK, OK, OK[:-3]):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    async with serving(serve, tls=server) as url:
        assert (await http.request("GET", url, keep=True)).ok
        assert (await http.request("GET", url, keep=True)).ok
        assert await reason_of(http.request("GET", url, keep=True)) == "reset"
        assert opened == 1
        await http.close()


async def test_tells_that_the_other_side_speaks_no_tls(http: Http) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()

    async with serving(plain) as url:
        port = url.rpartition(":")[2]
        assert await reason_of(http.request("GET", f"https://localhost:{port}")) == "tls"
        assert await reason_of(http.certificate_ends("localhost", int(port))) == "tls"


async def test_a_server_that_hangs_up_before_tls_is_agreed_is_a_reset(http: Http) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(leave) as url:
        assert await reason_of(http.request("GET", url.replace("http:", "https:"))) == "reset"
