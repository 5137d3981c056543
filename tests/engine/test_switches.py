"""Switches: what was switched while running goes before the configuration."""

import pytest

from devops_agent.config.settings import Flags, Settings
from devops_agent.engine.switches import PAM, asks_from, is_on
from devops_agent.kit.testing import START
from devops_agent.model.contact import Channel, Notify
from devops_agent.store import controls
from tests.engine.conftest import Set

CHANNELS = (Channel(name="assistant", via="pam"), Channel(name="chat", via="slack"))


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("switched", [None, False, True])
async def test_what_was_switched_goes_before_what_is_configured(
    set_scene: Set, *, configured: bool, switched: bool | None
) -> None:
    settings = Settings(flags=Flags(PAM_INTEGRATION_ENABLED=configured), notify=Notify(channels=CHANNELS))
    async with set_scene() as scene:
        if switched is not None:
            await scene.command(lambda rows: controls.set_flag(rows, PAM, value=switched, by="alice", now=START))
        on = configured if switched is None else switched
        assert await scene.store.read(lambda rows: is_on(rows, PAM, settings=settings)) == on
        asked = await scene.store.read(lambda rows: asks_from(rows, settings=settings))
        assert asked == (["assistant"] if on else [])
        assert await scene.store.read(lambda rows: asks_from(rows, settings=Settings())) == []
