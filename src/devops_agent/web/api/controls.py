"""What people set while the agent runs: pauses, silences, flags, tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from devops_agent.engine import accounts, commands
from devops_agent.store import controls, targets, tokens
from devops_agent.store.rows import Rows
from devops_agent.web import bodies, schemas
from devops_agent.web.api.overview import read_flags
from devops_agent.web.asking import Administrator, DeskOf, Operator, needs, problems
from devops_agent.web.problem import ProblemError

router = APIRouter(prefix="/api/v1", tags=["controls"])

SilenceId = Annotated[str, Path(pattern=r"^SIL-[1-9][0-9]{0,17}$", examples=["SIL-3"])]
TargetAsked = Annotated[str, Query(max_length=253, description="empty: the pause of everything")]


@router.get("/pauses", responses=problems(), dependencies=[needs("read")])
async def pauses(desk: DeskOf) -> schemas.Page[schemas.Pause]:
    """List the pauses that hold now."""
    now = desk.parts.clock.now()
    found = await desk.read(lambda rows: controls.pauses(rows, now=now))
    return schemas.Page(items=[schemas.Pause.model_validate(one) for one in found])


@router.post("/pauses", status_code=201, responses=problems(404))
async def pause(desk: DeskOf, asked: bodies.PauseAsked, once: Operator) -> schemas.Pause:
    """Stop automatic actions on a target, or on all."""
    now = desk.parts.clock.now()
    ends_at = now + timedelta(hours=asked.hours) if asked.hours else None

    def work(rows: Rows) -> schemas.Pause:
        if asked.target and targets.get(rows, asked.target) is None:
            known = [one.target.name for one in targets.all_(rows)]
            if asked.target not in known and desk.parts.ground().directory.get(asked.target) is None:
                raise ProblemError(404, f"no target {asked.target!r}; known: {', '.join(known[:20]) or 'none yet'}")
        made = commands.pause(rows, target=asked.target, reason=asked.reason, by=once.by, ends_at=ends_at, now=now)
        return schemas.Pause.model_validate(made)

    return await desk.command(work, once=once)


@router.delete("/pauses", status_code=204, responses=problems(409))
async def resume(desk: DeskOf, once: Operator, target: TargetAsked = "") -> None:
    """End the pauses of a target, or the global ones."""
    now = desk.parts.clock.now()
    await desk.command(lambda rows: commands.resume(rows, target=target, by=once.by, now=now), once=once)


@router.get("/silences", responses=problems(), dependencies=[needs("read")])
async def silences(desk: DeskOf) -> schemas.Page[schemas.Silence]:
    """List the silences that hold now."""
    now = desk.parts.clock.now()
    found = await desk.read(lambda rows: controls.silences(rows, now=now))
    return schemas.Page(items=[schemas.Silence.model_validate(one) for one in found])


@router.post("/silences", status_code=201, responses=problems(409))
async def silence(desk: DeskOf, asked: bodies.SilenceAsked, once: Operator) -> schemas.Silence:
    """Let alerts whose labels match open no incident for a while."""
    now = desk.parts.clock.now()
    made = await desk.command(
        lambda rows: commands.silence(
            rows,
            matchers=asked.matchers,
            by=once.by,
            comment=asked.comment,
            now=now,
            ends_at=now + timedelta(hours=asked.hours),
        ),
        once=once,
    )
    return schemas.Silence.model_validate(made)


@router.delete("/silences/{silence}", status_code=204, responses=problems(404))
async def unsilence(desk: DeskOf, silence: SilenceId, once: Operator) -> None:
    """End a silence."""
    now = desk.parts.clock.now()
    await desk.command(lambda rows: commands.end_silence(rows, silence, by=once.by, now=now), once=once)


@router.get("/flags", responses=problems(), dependencies=[needs("read")])
async def flags(desk: DeskOf) -> schemas.Page[schemas.Flag]:
    """List the three switches."""
    return schemas.Page(items=await desk.read(lambda rows: read_flags(rows, desk)))


@router.put("/flags/{flag}", responses=problems(404))
async def switch(desk: DeskOf, flag: str, asked: bodies.FlagAsked, once: Administrator) -> schemas.Flag:
    """Switch a flag; it goes before file and environment."""
    now = desk.parts.clock.now()
    await desk.command(lambda rows: commands.set_flag(rows, flag, value=asked.value, by=once.by, now=now), once=once)
    return schemas.Flag(name=flag, value=asked.value, switched=True)


@router.get("/tokens", responses=problems(), dependencies=[needs("admin")])
async def tokens_(desk: DeskOf) -> schemas.Page[schemas.Token]:
    """List tokens and sessions, oldest first; never their secrets."""
    found = await desk.read(tokens.all_)
    return schemas.Page(items=[schemas.Token.model_validate(one) for one in found])


@router.post("/tokens", status_code=201, responses=problems(409))
async def make_token(desk: DeskOf, asked: bodies.TokenAsked, once: Administrator) -> schemas.TokenMade:
    """Make a token; its secret is in this answer and nowhere else."""
    now = desk.parts.clock.now()
    ends = now + timedelta(hours=asked.hours) if asked.hours else None

    def work(rows: Rows) -> schemas.TokenMade:
        token, secret = accounts.make_token(rows, asked.name, scope=asked.scope, by=once.by, now=now, expires_at=ends)
        return schemas.TokenMade(**schemas.Token.model_validate(token).model_dump(), secret=secret)

    return await desk.command(work, once=once, topics=accounts.TOPICS)


@router.delete("/tokens/{name}", status_code=204, responses=problems(404))
async def revoke(desk: DeskOf, name: str, once: Administrator) -> None:
    """End a token at once."""
    now = desk.parts.clock.now()

    await desk.command(
        lambda rows: accounts.revoke_token(rows, name, by=once.by, now=now), once=once, topics=accounts.TOPICS
    )
