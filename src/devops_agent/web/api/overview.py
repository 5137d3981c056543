"""At a glance: is it well, what is going on, how is a target, restart it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Response

from devops_agent.engine import commands
from devops_agent.kit.http import HIDDEN, bare
from devops_agent.model.action import Proof, Step
from devops_agent.model.control import Pause
from devops_agent.model.sighting import Sighting
from devops_agent.store import approvals, controls, heartbeats, incidents, outbox, targets
from devops_agent.store.rows import StoreError
from devops_agent.web import bodies, schemas
from devops_agent.web.asking import DeskOf, Operator, needs, problems
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from devops_agent.model.incident import Incident
    from devops_agent.store.rows import Rows
    from devops_agent.web.asking import Desk

router = APIRouter(tags=["overview"])

SILENT_AFTER = 30.0
"""Seconds without a sign of life after which a role counts as silent."""
_HEALTH_WITHIN = 2.0


@router.get("/health", responses={503: {"model": schemas.Health, "description": "The store cannot be used"}})
async def health(desk: DeskOf, response: Response) -> schemas.Health:
    """Tell whether this process can do its work. Needs no token."""
    now = desk.parts.clock.now()
    said, age = "reachable", None
    beats: dict[str, heartbeats.Heartbeat] = {}
    try:
        async with asyncio.timeout(_HEALTH_WITHIN):
            beats = await desk.parts.store.read(heartbeats.all_)
    except TimeoutError:
        said = f"does not answer within {_HEALTH_WITHIN:g} s"
    except StoreError as error:
        said = str(error)
    if beat := beats.get("agent"):
        age = max(0.0, (now - beat.at).total_seconds())
    well = said == "reachable"
    response.status_code = 200 if well else 503
    response.headers["Cache-Control"] = "no-store"
    return schemas.Health(
        status="healthy" if well else "unhealthy",
        version=desk.parts.version,
        store=said,
        agent="never seen" if age is None else "alive" if age <= SILENT_AFTER else "silent",
        agent_age_seconds=age,
    )


@router.get("/status", responses=problems(), dependencies=[needs("read")])
async def status(desk: DeskOf) -> schemas.Status:
    """Tell everything at a glance."""
    return await desk.read(lambda rows: read_status(rows, desk, now=desk.parts.clock.now()))


def read_status(rows: Rows, desk: Desk, *, now: datetime) -> schemas.Status:
    """Return what `/status` and the page's head tell."""
    health: dict[str, int] = {}
    for one in targets.all_(rows):
        health[one.health.value] = health.get(one.health.value, 0) + 1
    return schemas.Status(
        version=desk.parts.version,
        started_at=desk.started_at,
        uptime_seconds=max(0.0, (now - desk.started_at).total_seconds()),
        flags={flag.name: flag.value for flag in read_flags(rows, desk)},
        paused=[schemas.Pause.model_validate(pause) for pause in controls.pauses(rows, now=now)],
        targets=health,
        incidents=incidents.count_by_status(rows),
        approvals_waiting=len(approvals.pending(rows)),
        notices_waiting=outbox.pending(rows),
        writes_waiting=desk.parts.store.pending,
        roles=[_role(beat, now=now) for _, beat in sorted(heartbeats.all_(rows).items())],
    )


def read_flags(rows: Rows, desk: Desk) -> list[schemas.Flag]:
    """Return the three switches as they are: what was set while running goes before file and environment."""
    set_ = controls.flags(rows)
    written = desk.parts.settings().flags
    return [
        schemas.Flag(name=name, value=set_.get(name, getattr(written, name)), switched=name in set_)
        for name in commands.FLAGS
    ]


@router.get("/monitoring/{target}", responses=problems(404), dependencies=[needs("read")])
async def monitoring(desk: DeskOf, target: str) -> schemas.Monitoring:
    """Tell how a target is watched and how it is."""
    now = desk.parts.clock.now()
    full, sighting = await desk.read(lambda rows: read_target(rows, target, now=now))
    checks = [
        {
            **msgspec.to_builtins(check.with_(url=bare(check.url), body=HIDDEN if check.body else "")),
            "headers": sorted(check.headers),
        }
        for check in sighting.target.checks
    ]
    thresholds = msgspec.structs.asdict(sighting.target.thresholds)
    return schemas.Monitoring(**full.model_dump(), checks=checks, thresholds=thresholds)


def read_target(rows: Rows, name: str, *, now: datetime) -> tuple[schemas.TargetInFull, Sighting]:
    """Return a target with what is going on around it.

    Raises:
        ProblemError: 404, with the names that are known.

    """
    sighting = targets.get(rows, name)
    if sighting is None:
        raise _unknown(name, [one.target.name for one in targets.all_(rows)])
    open_ones = incidents.page(rows, status="unresolved", target=name)
    paused = [pause for pause in controls.pauses(rows, now=now) if pause.holds(name)]
    return target_in_full(sighting, open_ones, paused), sighting


def target_in_full(sighting: Sighting, open_ones: list[Incident], paused: list[Pause]) -> schemas.TargetInFull:
    """Return a target's shape."""
    return schemas.TargetInFull(
        **target_shape(sighting).model_dump(),
        incidents=[schemas.Incident.model_validate(one) for one in open_ones],
        pauses=[schemas.Pause.model_validate(pause) for pause in paused],
    )


def target_shape(sighting: Sighting) -> schemas.Target:
    """Return a target and how it was seen as one flat shape."""
    seen = msgspec.structs.asdict(sighting)
    target = msgspec.structs.asdict(seen.pop("target"))
    return schemas.Target.model_validate({**target, **seen})


@router.post("/actions/restart", status_code=202, responses=problems(404, 409))
async def restart(desk: DeskOf, asked: bodies.RestartAsked, once: Operator) -> schemas.Incident:
    """Order the restart of a target; the guard still decides, and the incident answered here tells what comes of it."""
    now = desk.parts.clock.now()
    incident = await desk.command(
        lambda rows: order_restart(rows, desk, asked.target, reason=asked.reason, by=once.by, now=now), once=once
    )
    return schemas.Incident.model_validate(incident)


def order_restart(rows: Rows, desk: Desk, name: str, *, reason: str, by: str, now: datetime) -> Incident:
    """Order the restart of a target.

    Raises:
        ProblemError: 404 no such target, 409 nothing acts on it.

    """
    sighting = targets.get(rows, name)
    target = sighting.target if sighting else desk.parts.ground().directory.get(name)
    if target is None:
        known = [one.target.name for one in targets.all_(rows)] or [one.name for one in desk.parts.ground().directory]
        raise _unknown(name, known)
    action = f"{target.via}.restart"
    if action not in desk.parts.actions():
        why = f"{target.via} offers no restart" if target.via else "no plugin acts on it (agent.yaml: targets[].via)"
        raise ProblemError(409, f"cannot restart {name}: {why}")
    step = Step(name="restart", action=action, retries=1, proof=Proof(state="running", healthy=bool(target.checks)))
    return commands.order(
        rows, target=target.name, step=step, reason=reason or "no reason given", by=by, now=now,
        version=desk.parts.version,
    )  # fmt: skip


def _unknown(name: str, known: list[str]) -> ProblemError:
    listed = ", ".join(sorted(known)[:20]) or "none yet"
    return ProblemError(404, f"no target {name!r}; known: {listed}", more={"known": sorted(known)[:100]})


def _role(beat: heartbeats.Heartbeat, *, now: datetime) -> schemas.Role:
    age = max(0.0, (now - beat.at).total_seconds())
    return schemas.Role(
        role=beat.role,
        alive=age <= SILENT_AFTER,
        age_seconds=age,
        pid=beat.pid,
        version=beat.version,
        started_at=beat.started_at,
        data=beat.data,
    )
