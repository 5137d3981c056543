"""PAM's notifier against the reference server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.plugins.pam.notifier import Pam, build
from devops_agent.plugins.pam.protocol import notification, read
from devops_agent.ports import NotifyError
from tests.plugins.channels import secret_file, tools
from tests.plugins.pam.server import PamServer, pam_server

SHORTLY = 0.4
"""Seconds that a test waits for a receipt that does not come."""


def made(folder: Path, at: str, **options: object) -> Pam:
    given = {"url": at, "user_id": "u-1", "token_file": secret_file(folder, "t0ken"), **options}
    return build(given, tools=tools(folder))


@pytest.fixture
async def server() -> AsyncIterator[PamServer]:
    async with pam_server() as running:
        yield running


@pytest.fixture
async def notifier(tmp_path: Path, server: PamServer) -> AsyncIterator[Pam]:
    pam = made(tmp_path, server.url)
    yield pam
    await pam.close()


class TestContract(NotifierContract):
    @pytest.fixture
    def told(self, server: PamServer) -> Told:
        return lambda: len(server.shown)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Pam:
        return made(tmp_path, "ws://127.0.0.1:9", timeout=SHORTLY)

    @pytest.fixture
    async def refusing(self, tmp_path: Path, server: PamServer) -> AsyncIterator[Pam]:
        server.refuses = "no longer a customer"
        pam = made(tmp_path, server.url)
        yield pam
        await pam.close()


async def test_a_notice_has_what_the_assistant_needs(notifier: Pam, server: PamServer) -> None:
    receipt = await notifier.send(message())
    said = server.shown[message().key]
    assert receipt.id == message().key
    assert (said["type"], said["incident"], said["severity"]) == ("notification", "INC-1", "critical")
    assert "restarting it did not help" in said["text"]


async def test_one_connection_serves_many_notices(notifier: Pam, server: PamServer) -> None:
    await asyncio.gather(*(notifier.send(message(f"INC-{number}/x")) for number in range(20)))
    assert len(server.shown) == 20
    assert len(server._sockets) == 1  # noqa: SLF001 — the server's own count


async def test_a_connection_that_drops_before_the_receipt_is_opened_again(notifier: Pam, server: PamServer) -> None:
    server.drops = 2
    await notifier.send(message())
    assert server.handed == [message().key] * 3
    assert list(server.shown) == [message().key]


async def test_who_is_away_gets_it_later_and_once(notifier: Pam, server: PamServer, tmp_path: Path) -> None:
    await server.stop()
    away = made(tmp_path, server.url, timeout=SHORTLY)
    with pytest.raises(NotifyError) as raised:
        await away.send(message())
    assert not raised.value.permanent
    await server.start()
    await away.send(message())
    await away.send(message())
    assert list(server.shown) == [message().key]
    await away.close()


async def test_a_receipt_that_does_not_come_is_a_failure_for_now(server: PamServer, tmp_path: Path) -> None:
    server.silent = True
    deaf = made(tmp_path, server.url, timeout=SHORTLY)
    with pytest.raises(NotifyError, match="no receipt") as raised:
        await deaf.send(message())
    assert not raised.value.permanent
    await deaf.close()


@pytest.mark.parametrize(("options", "way_out"), [({"user_id": "u-2"}, "user_id"), ({}, "token_file")])
async def test_a_wrong_user_or_token_is_refused_for_good(
    server: PamServer, tmp_path: Path, options: dict[str, object], way_out: str
) -> None:
    if not options:
        server.token = "renewed"
    with pytest.raises(NotifyError, match=way_out) as raised:
        await made(tmp_path, server.url, **options).send(message())
    assert raised.value.permanent


@asynccontextmanager
async def serving(pam: Pam) -> AsyncIterator[None]:
    task = asyncio.create_task(pam.serve())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await pam.close()


async def test_questions_are_answered_while_it_serves(server: PamServer, tmp_path: Path) -> None:
    asked = []

    async def answer(question: str) -> str:
        asked.append(question)
        return "INC-1 is escalated."

    pam = made(tmp_path, server.url)
    pam.listen(answer)
    async with serving(pam):
        await server.connected.wait()
        assert await server.ask("q-1", "what about", incident="INC-1") == {
            "type": "answer", "id": "q-1", "text": "INC-1 is escalated.",
        }  # fmt: skip
    assert asked == ["what about INC-1"]


async def test_it_comes_back_when_the_server_does(server: PamServer, tmp_path: Path) -> None:
    async def answer(question: str) -> str:
        return question

    pam = made(tmp_path, server.url)
    pam.listen(answer)
    async with serving(pam):
        await server.connected.wait()
        await server.stop()
        await server.start()
        await server.connected.wait()
        assert (await server.ask("q-2", "hello"))["text"] == "hello"


async def test_who_is_asked_no_more_hangs_up(server: PamServer, tmp_path: Path) -> None:
    pam = made(tmp_path, server.url)
    task = asyncio.create_task(pam.serve())
    await server.connected.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await server.alone.wait()


async def test_an_answer_that_fails_ends_no_connection(server: PamServer, tmp_path: Path) -> None:
    async def answer(question: str) -> str:
        raise RuntimeError(question)

    pam = made(tmp_path, server.url)
    pam.listen(answer)
    async with serving(pam):
        await server.connected.wait()
        assert "cannot look that up" in (await server.ask("q-1", "x"))["text"]
        assert "cannot look that up" in (await server.ask("q-2", "x"))["text"]


async def test_a_flood_of_questions_fills_no_memory_and_keeps_no_notice_from_being_told(
    server: PamServer, tmp_path: Path
) -> None:
    never, asked = asyncio.Event(), 0

    async def answer(question: str) -> str:
        nonlocal asked
        asked += 1
        await never.wait()
        return question

    pam = made(tmp_path, server.url)
    pam.listen(answer)
    async with serving(pam):
        await server.connected.wait()
        for number in range(1_000):
            await server.say(json.dumps({"type": "question", "id": f"q-{number}", "text": "what is going on?"}))
        await pam.send(message("INC-1/1"))
        assert 0 < asked <= 4
        assert sum("_reply" in str(task.get_coro()) for task in asyncio.all_tasks()) <= 100


async def test_what_nobody_understands_is_passed_over(notifier: Pam, server: PamServer) -> None:
    await notifier.send(message("INC-1/1"))
    for frame in ("nonsense", b"\xff\x00", "[]", '{"type": 1}', '{"type":"receipt","id":"another"}', '{"type":"song"}'):
        await server.say(frame)
    await notifier.send(message("INC-1/2"))
    assert len(server.shown) == 2


@given(st.binary() | st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_frame_is_read_or_passed_over(frame: bytes | str) -> None:
    read(frame)


@given(title=st.text(), says=st.text())
def test_any_text_becomes_a_frame(title: str, says: str) -> None:
    assert json.loads(notification(harmless(message(title=title, says=says))))["type"] == "notification"


@pytest.mark.parametrize("options", [{"url": "pam.example.com"}, {"user_id": ""}, {"sound": 1}])
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        build({"url": "ws://127.0.0.1:9", "user_id": "u-1", "token_file": "t", **options}, tools=tools(tmp_path))
