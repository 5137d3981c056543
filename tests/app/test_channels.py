"""Channels are built from the settings, each when it is first needed, and let go of at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devops_agent.app.channels import Channels
from devops_agent.config.settings import Settings
from devops_agent.kit.testing import FakeClock, FakeNotifier
from devops_agent.kit.testing.notifier import message
from devops_agent.model.contact import Channel, Notify
from devops_agent.plugins import catalogue
from devops_agent.ports import NotifyError

HOOK = Channel(name="hook", via="webhook", options={"url": "http://127.0.0.1:9/"})
BUILT: list["Chatty"] = []


class Chatty(FakeNotifier):
    """A channel on which people ask something."""

    answer: Callable[[str], Awaitable[str]]
    said: list[str]
    serving: asyncio.Event

    def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        self.answer, self.said, self.serving = answer, [], asyncio.Event()

    async def serve(self) -> None:
        self.said.append(await self.answer("how is INC-1?"))
        self.serving.set()
        await asyncio.get_running_loop().create_future()


def build(config: object, *, tools: object) -> Chatty:
    del config, tools
    BUILT.append(Chatty())
    return BUILT[-1]


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> Channel:
    BUILT.clear()
    monkeypatch.setitem(catalogue.NOTIFIERS, "chatty", f"{__name__}:build")
    return Channel(name="chat", via="chatty")


@asynccontextmanager
async def channels(*given: Channel, folder: Path) -> AsyncIterator[Channels]:
    settings = Settings(state_dir=str(folder), notify=Notify(channels=given))
    made = Channels(settings, clock=FakeClock())
    try:
        yield made
    finally:
        await made.close()


async def answer(question: str) -> str:
    return f"{question} it is well"


async def test_a_channel_is_built_once_and_closed_at_the_end(chatty: Channel, tmp_path: Path) -> None:
    async with channels(chatty, folder=tmp_path) as made:
        assert BUILT == []
        await made.of("chat").send(message())
        assert made.of("chat") is made.of("chat")
    [built] = BUILT
    assert built.closed


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        (Channel(name="chat", via="slak"), r"no notifier 'slak'; known: .*slack.*webhook"),
        (HOOK.with_(name="chat", options={}), "cannot build the channel 'chat': .*url"),
        (HOOK.with_(name="chat", options={"url_file": "/none"}), "/none"),
        (HOOK, r"no channel 'chat' in agent.yaml \(notify.channels\)"),
    ],
)
async def test_a_channel_that_cannot_be_built_refuses_for_good_and_says_why(
    channel: Channel, says: str, tmp_path: Path
) -> None:
    async with channels(channel, folder=tmp_path) as made:
        with pytest.raises(NotifyError, match=says) as refused:
            await made.of("chat").send(message())
        assert refused.value.permanent


async def test_it_is_known_which_channels_change_their_messages(chatty: Channel, tmp_path: Path) -> None:
    wrong = Channel(name="wrong", via="slak")
    async with channels(chatty, HOOK, wrong, folder=tmp_path) as made:
        assert made.updates() == {"chat": True, "hook": False}


async def test_people_can_ask_as_long_as_it_is_wanted(chatty: Channel, tmp_path: Path) -> None:
    async with channels(chatty, HOOK, folder=tmp_path) as made:
        made.stay(["chat", "hook"], answer=answer)
        [built] = BUILT
        await asyncio.wait_for(built.serving.wait(), 5)
        assert made.open
        assert built.said == ["how is INC-1? it is well"]
        made.stay(["chat"], answer=answer)
        assert len(built.said) == 1
        made.stay([], answer=answer)
        assert not made.open


async def test_a_connection_that_fails_is_made_again_at_the_next_look(
    chatty: Channel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()

    async def fail(_: str) -> str:
        failed.set()
        raise LookupError("a mistake")

    async with channels(chatty, folder=tmp_path) as made:
        made.stay(["chat"], answer=fail)
        [built] = BUILT
        await asyncio.wait_for(failed.wait(), 5)
        await asyncio.sleep(0)
        made.stay(["chat"], answer=answer)
        await asyncio.wait_for(built.serving.wait(), 5)
        assert built.said == ["how is INC-1? it is well"]
    assert "a mistake" in caplog.text
