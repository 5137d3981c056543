"""Sends a test message through a channel, as the postman would send a notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devops_agent.app.channels import Channels
from devops_agent.app.clock import SystemClock
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Message
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings


async def try_channel(settings: Settings, name: str, *, by: str, now: datetime, within: float) -> dict[str, str]:
    """Send one; return `result` (sent, failed) and `says`.

    Args:
        settings: with the channel.
        name: of the channel.
        by: who asks, as the message shall say.
        now: the time.
        within: seconds after which the channel counts as silent.

    """
    channels = Channels(settings, clock=SystemClock())
    message = Message(
        key=f"test/{name}/{now:%Y%m%dT%H%M%S}",
        kind="test",
        severity=Severity.INFO,
        title="Test of DevOps AI Agent",
        says=f"{by} tries the channel {name}. Nothing is wrong, and nothing is asked of you.",
        at=now,
        closes=True,
    )
    try:
        async with asyncio.timeout(within):
            receipt = await channels.of(name).send(message)
    except NotifyError as error:
        return {"result": "failed", "says": str(error)}
    except TimeoutError:
        return {"result": "failed", "says": f"no answer within {within:g} s; nobody knows whether it was taken"}
    finally:
        await channels.close()
    return {"result": "sent", "says": f"taken as {receipt.id}" if receipt.id else "taken"}
