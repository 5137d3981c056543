"""The fake channel obeys the rules of every channel, and shows what people would see."""

from collections.abc import Callable

import pytest

from devops_agent.kit.testing import FakeNotifier, NotifierContract
from devops_agent.kit.testing.notifier import message
from devops_agent.ports import NotifyError


@pytest.fixture(params=[False, True])
def notifier(request: pytest.FixtureRequest) -> FakeNotifier:
    return FakeNotifier(knows_repeats=request.param)


@pytest.fixture
def told(notifier: FakeNotifier) -> Callable[[], int]:
    return lambda: len(notifier.told)


@pytest.fixture
def unreachable() -> FakeNotifier:
    return FakeNotifier(trouble=lambda _: NotifyError("503", permanent=False))


@pytest.fixture
def refusing() -> FakeNotifier:
    return FakeNotifier(trouble=lambda _: NotifyError("wrong token", permanent=True))


class TestFakeNotifier(NotifierContract):
    """It passes the contract of all notifiers."""


async def test_what_goes_wrong_after_a_message_was_seen_leaves_it_seen() -> None:
    channel = FakeNotifier(unheard=lambda _: TimeoutError())
    with pytest.raises(TimeoutError):
        await channel.send(message())
    assert (channel.keys, len(channel.handed)) == (["INC-1/escalated"], 1)
