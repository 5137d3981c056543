"""However a server behaves, the client ends with an answer or with the reason why there is none."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devops_agent.kit.http import Http, HttpError
from devops_agent.kit.wire import place_of, request_of
from tests.effort import examples
from tests.kit.answering import OK, Serve, reason_of, saying, serving

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


def dripping(first: bytes, drop: bytes) -> Serve:
    """Send a beginning, and then one drop after another for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        try:
            while not writer.is_closing():
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            return

    return serve


async def asked(http: Http, url: str, **options: object) -> bytes:
    """Return what a request with these options looks like to the server."""
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async with serving(serve) as there:
        await http.request("GET", url.replace("http://here", there), **options)  # type: ignore[arg-type]
    return bytes(seen)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(HEAD + b"Content-Le", "reset", id="head cut off"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "reset", id="chunk cut off"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "reset", id="no last chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "protocol", id="long chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "protocol", id="no size"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", "protocol", id="chunk of negative size"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n", "protocol", id="chunk of huge size"
        ),
        pytest.param(
            HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "protocol",
            id="two lengths, one by chunks",
        ),
        pytest.param(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "protocol", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: -3\r\n\r\nabc", "protocol", id="negative length"),
        pytest.param(HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nabc", "protocol", id="length out of range"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc", "protocol", id="unknown transfer encoding"),
        pytest.param(b"HTTP/1.1 20\r\n\r\n", "protocol", id="two digits of status"),
        pytest.param(b"HTTP/1.1 099 Low\r\n\r\n", "protocol", id="status below 100"),
        pytest.param(b"HTTP/3.7 200 OK\r\n\r\n", "protocol", id="unknown version"),
        pytest.param(HEAD + b"No colon\r\n\r\n", "protocol", id="header without colon"),
        pytest.param(HEAD + b"Bad name: x\r\n\r\n", "protocol", id="header with a space in its name"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", "protocol", id="TLS on a plain port"),
        pytest.param(
            b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00\x01",
            "protocol",
            id="another protocol",
        ),
        pytest.param(HEAD + b"X-Long: " + b"x" * 2_000_000, "too large", id="endless header"),
        pytest.param(HEAD + b"X: 1\r\n" * 1_000 + b"\r\n", "too large", id="too many headers"),
        pytest.param(b"HTTP/1.1 103 Wait\r\nX: 1\r\n\r\n" * 30_000, "too large", id="endless provisional answers"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: " + b"x" * 2_000_000,
            "too large",
            id="endless trailer",
        ),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip", "protocol", id="not packed as it says"),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 100)[:-9], "protocol", id="packed, cut off"
        ),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 9_000_000), "too large", id="packed bomb"
        ),
    ],
)
async def test_an_answer_that_breaks_the_rules_is_an_error_with_its_reason(
    http: Http, answer: bytes, reason: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        try:
            await writer.drain()
        except ConnectionError:
            return

    async with serving(serve) as url:
        assert await reason_of(http.request("GET", url)) == reason


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(HEAD + b"\r\nuntil the end", b"until the end", id="no length"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nold", b"old", id="HTTP/1.0"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-T: 1\r\n\r\n",
            b"abcd",
            id="chunks with extension and trailer",
        ),
        pytest.param(b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hint\r\nA: b\r\n\r\n" + OK, OK[-17:], id="provisional"),
        pytest.param(HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\nlf", b"lf", id="lines end with LF alone"),
        pytest.param(b"HTTP/1.1 204 No\r\n\r\n", b"", id="204"),
        pytest.param(b"HTTP/1.1 304 Same\r\nContent-Length: 50\r\n\r\n", b"", id="304 with the length it would have"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"packed"), b"packed", id="gzip"),
        pytest.param(HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"packed"), b"packed", id="deflate"),
        pytest.param(
            HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"packed")[2:-4], b"packed", id="bare deflate"
        ),
        pytest.param(HEAD + b"Content-Encoding: br\r\n\r\n\x0b\x02", b"\x0b\x02", id="unknown packing"),
    ],
)
async def test_reads_a_body_by_every_rule_of_length(http: Http, answer: bytes, body: bytes) -> None:
    async with serving(saying(answer)) as url:
        assert (await http.request("GET", url)).body == body


async def test_an_answer_to_head_ends_with_its_head(http: Http) -> None:
    hang = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 99999999\r\n\r\n")
        await hang.wait()

    async with serving(serve) as url:
        answer = await http.request("HEAD", url)
        hang.set()
    assert (answer.status, answer.body, answer.headers["CONTENT-LENGTH"]) == (200, b"", "99999999")


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 O", b"K", id="status line"),
        pytest.param(HEAD, b"X: y\r\n", id="headers"),
        pytest.param(HEAD + b"Content-Length: 1000000\r\n\r\n", b".", id="body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n", id="chunks"),
    ],
)
async def test_a_server_that_drips_does_not_outlast_the_timeout(http: Http, first: bytes, drop: bytes) -> None:
    async with serving(dripping(first, drop)) as url:
        assert await reason_of(http.request("GET", url, timeout=0.1)) == "timeout"


async def test_a_stream_that_is_refused_at_length_does_not_outlast_the_timeout(http: Http) -> None:
    async with serving(dripping(b"HTTP/1.1 500 Bad\r\n\r\n", b".")) as url:
        assert await reason_of(anext(http.lines("GET", url, timeout=0.1))) == "timeout"


async def test_what_comes_unasked_on_a_kept_connection_is_never_the_next_answer(http: Http) -> None:
    forged = OK.replace(b"fine", b"evil")
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK + forged)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async with serving(serve) as url:
        for _ in range(3):
            assert (await http.request("GET", url, keep=True)).json() == {"status": "fine"}
        await http.close()
    assert opened == 3


async def test_a_kept_connection_that_died_is_replaced_for_a_get_and_never_used_for_a_post(http: Http) -> None:
    opened = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        if opened == 1:
            await reader.readuntil(b"\r\n\r\n")  # and then it hangs up without a word

    async with serving(once) as url:
        assert (await http.request("GET", url, keep=True)).ok
        assert (await http.request("POST", url, keep=True)).ok
        assert opened == 2
        await http.close()
        opened = 0
        assert (await http.request("GET", url, keep=True)).ok
        assert (await http.request("GET", url, keep=True)).ok
        assert opened == 2


async def test_a_server_that_closes_is_not_asked_again_on_that_connection(http: Http) -> None:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"X-Who: me", b"Connection: close"))
        await reader.read()

    async with serving(serve) as url:
        for _ in range(2):
            await http.request("GET", url, keep=True)
    assert opened == 2


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        pytest.param("GET / HTTP/1.1\r\nX: 1\r\n\r\nGET", "http://127.0.0.1/", {}, id="method"),
        pytest.param("GET", "http://127.0.0.1/\r\nX: 1", {}, id="line end in the URL"),
        pytest.param("GET", "http://127.0.0.1/a\tb", {}, id="tab in the URL"),
        pytest.param("GET", "http://127.0.0.1:99999/", {}, id="port out of range"),
        pytest.param("GET", "http://[::1/", {}, id="half an address"),
        pytest.param("GET", "ftp://127.0.0.1/", {}, id="scheme"),
        pytest.param("GET", "http://127.0.0.1/\udc80", {}, id="no text"),
        pytest.param("GET", "http://127.0.0.1/", {"X": "1\r\nY: 2"}, id="line end in a header"),
        pytest.param("GET", "http://127.0.0.1/", {"X: 1\r\nY": "2"}, id="line end in a name"),
        pytest.param("GET", "http://127.0.0.1/", {"": "2"}, id="no name"),
        pytest.param("POST", "http://127.0.0.1/", {"content-length": "2"}, id="length"),
        pytest.param("POST", "http://127.0.0.1/", {"Transfer-Encoding": "chunked"}, id="encoding"),
    ],
)
async def test_nothing_is_sent_that_could_be_read_as_something_else(
    http: Http, method: str, url: str, headers: dict[str, str]
) -> None:
    assert await reason_of(http.request(method, url, headers=headers)) == "protocol"


async def test_quotes_what_a_url_may_not_hold_and_leaves_the_rest(http: Http) -> None:
    head = await asked(http, "http://here/a b/ü%20%zz?q=1+2&x={}#part")
    assert head.startswith(b"GET /a%20b/%C3%BC%20%25zz?q=1+2&x=%7B%7D HTTP/1.1\r\n")


async def test_names_the_host_and_the_port_that_is_asked(http: Http) -> None:
    head = await asked(http, "http://here")
    assert b"\r\nHost: localhost:" in head
    assert b"\r\nConnection: close\r\n" in head
    assert b"\r\nhost: shop.example\r\n" in await asked(http, "http://here", headers={"host": "shop.example"})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://[::1]:8080/x", "[::1]:8080"),
        ("http://[fe80::1%eth0]/x", "[fe80::1]"),
        ("https://shop.example:443/x", "shop.example"),
        ("http://shop.example:443/x", "shop.example:443"),
        ("http://bücher.example/x", "xn--bcher-kva.example"),
    ],
)
def test_writes_a_host_as_http_has_it(url: str, host: str) -> None:
    request = request_of("GET", place_of(url), {}, b"", keep=True)
    assert request.startswith(f"GET /x HTTP/1.1\r\nHost: {host}\r\n".encode())


async def test_user_and_password_in_a_url_are_sent_and_never_shown(http: Http) -> None:
    async with serving(saying(OK)) as url:
        there = url.replace("//", "//me:s%40cret@")
    with pytest.raises(HttpError) as raised:
        await http.request("GET", there)
    assert "cret" not in str(raised.value)
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async with serving(serve) as url:
        await http.request("GET", url.replace("//", "//me:s%40cret@"))
    assert b"\r\nAuthorization: Basic bWU6c0BjcmV0\r\n" in seen


async def test_a_slow_reader_makes_the_server_of_a_stream_wait_and_misses_nothing(http: Http) -> None:
    count = 50_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(count):
            line = b"%d %s\n" % (number, b"." * 40)
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            if not number % 100:
                await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with serving(serve) as url:
        numbers: list[int] = []
        async for line in http.lines("GET", url):
            if not len(numbers) % 5_000:
                await asyncio.sleep(0.001)
            numbers.append(int(line.split()[0]))
    assert numbers == list(range(count))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_requests_that_are_given_up_leave_no_connection_open(http: Http) -> None:
    arrived, gone = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        assert await reader.read() == b""
        gone.release()

    async with serving(hang) as url:
        asking = [asyncio.create_task(http.request("GET", url, keep=True, timeout=60)) for _ in range(20)]
        for _ in asking:
            await arrived.acquire()
        for task in asking:
            task.cancel()
        ends = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(end) for end in ends} == {asyncio.CancelledError}
        for _ in asking:
            await gone.acquire()


async def test_closing_ends_what_is_under_way(http: Http) -> None:
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\nbegun")
        arrived.set()
        await reader.read()

    async with serving(hang) as url:
        asking = asyncio.create_task(http.request("GET", url))
        await arrived.wait()
        await http.close()
        assert await reason_of(asking) == "reset"


PARTS = st.sampled_from(
    [
        *(HEAD, b"HTTP/1.0 204 No\r\n", b"HTTP/1.1 100 Go on\r\n\r\n", b"HTTP/1.1 101 Other\r\n", b"\r\n", b"\r\n\r\n"),
        *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n"),
        *(b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Content-Encoding: gzip\r\n", b"Location: /x\r\n"),
        *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"hello", b"\n", b"HTTP/1.1 302 On\r\n", b"Location: //[\r\n", OK),
    ]
)


@given(pieces=st.lists(PARTS | st.binary(max_size=20), max_size=12), keep=st.booleans(), stream=st.booleans())
@example(pieces=[b"HTTP/1.1 302 On\r\n", b"Location: //[\r\n", b"\r\n"], keep=True, stream=False)
@settings(deadline=None, max_examples=examples(150))
def test_any_bytes_at_all_end_in_an_answer_or_an_http_error(pieces: list[bytes], *, keep: bool, stream: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return

    async def ask() -> None:
        http = Http()
        async with serving(serve) as url:
            try:
                if stream:
                    assert all([isinstance(line, bytes) async for line in http.lines("GET", url, timeout=20)])
                else:
                    assert (await http.request("GET", url, keep=keep, redirects=1, timeout=20)).status >= 200
            except HttpError as error:
                assert error.reason in {"protocol", "reset", "too large", "status"}  # noqa: PT017 — either will do
            finally:
                await http.close()

    before = open_files()
    asyncio.run(ask())
    assert open_files() == before
