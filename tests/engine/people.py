"""What people say, as the commands that come of it."""

from datetime import timedelta

from devops_agent.engine import commands
from devops_agent.model.action import Proof, Step
from devops_agent.model.decision import Answer
from devops_agent.model.incident import Incident
from tests.engine.site import HEALTHY, VERSION, Scene, alert


async def fall(scene: Scene, name: str = "api") -> None:
    """Let a service die and its alert come in."""
    scene.world.kill(name)
    await scene.deliver(alert(target=name, at=scene.clock))


async def answer(scene: Scene, given: Answer, id_: str = "APR-1", comment: str = "") -> None:
    now = scene.clock.now()
    await scene.command(lambda rows: commands.answer(rows, id_, given, by="alice", comment=comment, now=now))


async def pause(scene: Scene, name: str = "", ends_in: float | None = None) -> None:
    now = scene.clock.now()
    ends_at = None if ends_in is None else now + timedelta(seconds=ends_in)
    await scene.command(
        lambda rows: commands.pause(rows, target=name, reason="a release", by="alice", ends_at=ends_at, now=now)
    )


async def resume(scene: Scene, name: str = "") -> None:
    await scene.command(lambda rows: commands.resume(rows, target=name, by="alice", now=scene.clock.now()))


async def switch(scene: Scene, name: str = "AUTO_REMEDIATION_ENABLED", *, on: bool) -> None:
    await scene.command(lambda rows: commands.set_flag(rows, name, value=on, by="alice", now=scene.clock.now()))


async def guide(scene: Scene, book: str, id_: str = "INC-1") -> None:
    now = scene.clock.now()
    await scene.command(lambda rows: commands.guide(rows, id_, runbook=book, by="alice", comment="", now=now))


async def close(scene: Scene, id_: str = "INC-1") -> Incident:
    now = scene.clock.now()
    return await scene.command(lambda rows: commands.resolve(rows, id_, by="alice", comment="mended", now=now))


async def order(scene: Scene, action: str = "fake.restart", name: str = "api", *, proof: Proof = HEALTHY) -> Incident:
    step = Step(name="order", action=action, proof=proof)
    now = scene.clock.now()
    return await scene.command(
        lambda rows: commands.order(rows, target=name, step=step, reason="x", by="alice", now=now, version=VERSION)
    )
