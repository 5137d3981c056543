"""Look: at a glance, at targets, at what happens right now, at what helped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.target import Target
    from devops_agent.store.heartbeats import Heartbeat
    from devops_agent.store.rows import Rows

_SILENT_AFTER = timedelta(seconds=30)


@command("status", "devops-agent status", "devops-agent status --json")
def show_status(call: Call) -> None:
    """Tell everything at a glance: roles, targets, incidents, what waits, what is switched off.

    The exit code is 4 when the agent gives no sign of life.
    """
    from devops_agent.engine.commands import FLAGS
    from devops_agent.store import approvals, controls, heartbeats, incidents, outbox, targets

    settings, now = call.settings(), call.now

    def read(rows: Rows) -> dict[str, Any]:
        switched, beats = controls.flags(rows), heartbeats.all_(rows)
        health: dict[str, int] = {}
        for one in targets.all_(rows):
            health[one.health.value] = health.get(one.health.value, 0) + 1
        return {
            "roles": {
                **{name: _role(beats.get(name), now=now) for name in ("agent", "web")},
                **{name: _role(beat, now=now) for name, beat in sorted(beats.items()) if _works(beat, now=now)},
            },
            "targets": health,
            "incidents": incidents.count_by_status(rows),
            "open": incidents.open_ones(rows, limit=10),
            "approvals_waiting": len(approvals.pending(rows)),
            "notices_waiting": outbox.pending(rows),
            "flags": {name: switched.get(name, getattr(settings.flags, name)) for name in FLAGS},
            "paused": controls.pauses(rows, now=now),
            "silences": len(controls.silences(rows, now=now)),
        }

    status = call.read(read)
    if call.as_json:
        say.document(status)
    else:
        _at_a_glance(status, now=now)
    if not status["roles"]["agent"]["alive"]:
        raise click.exceptions.Exit(Exit.UNREACHABLE)


@command("targets", "devops-agent targets", "devops-agent targets --json")
@click.option("--trouble", is_flag=True, help="Only those that are not well.")
def list_targets(call: Call, *, trouble: bool) -> None:
    """List what is watched, how it is, and whether it may be acted on."""
    from devops_agent.store import targets

    settings, now = call.settings(), call.now
    seen = call.read(targets.all_)
    found = [one for one in seen if not trouble or one.health.value != "well"]
    default = settings.guard.managed_by_default
    if call.as_json:
        # Options may hold what a plugin needs to start a program: they are not kept, so they are not shown.
        say.document([{**say.plain(one), "managed": _managed(one.target, default=default)} for one in found])
        return
    if not found:
        say.line("nothing was seen yet; is the agent running?" if not seen else "everything is well")
        return
    rows = [
        (
            one.target.name,
            one.health.value,
            say.roughly(one.since, now=now),
            one.target.via or "–",
            "yes" if _managed(one.target, default=default) else "no",
            one.says or _readings(one.readings),
        )
        for one in found
    ]
    say.table(("target", "health", "since", "via", "acted on", "what was seen"), rows)


@command("statistics", "devops-agent statistics", "devops-agent statistics --target checkout --json")
@click.option("--target", metavar="TARGET", default="", help="Only those on one target.")
def show_statistics(call: Call, *, target: str) -> None:
    """Tell how often each action worked, by fault class and target.

    `verified` counts those whose proof was seen: the target was well again, and stayed so.
    """
    from devops_agent.store import attempts

    found = call.read(lambda rows: attempts.success(rows, target=target))
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line("nothing was done yet")
        return
    rows = [
        (
            one.action,
            one.kind,
            one.target,
            one.done,
            f"{one.verified} ({one.verified / one.done:.0%})",
            one.undone,
            f"{one.mean_seconds:.1f} s",
        )
        for one in found
    ]
    say.table(("action", "for", "target", "done", "verified", "undone", "took"), rows)


def _works(beat: Heartbeat, *, now: datetime) -> bool:
    """Whether it is a worker at work: those end when there is nothing to do, and silence says nothing of them."""
    return beat.role not in ("agent", "web") and now - beat.at <= _SILENT_AFTER


def _role(beat: Heartbeat | None, *, now: datetime) -> dict[str, Any]:
    if beat is None:
        return {"alive": False, "says": "never seen", "at": None, "pid": None, "version": None, "started_at": None}
    alive = now - beat.at <= _SILENT_AFTER
    return {
        "alive": alive,
        "says": "alive" if alive else "silent",
        "at": beat.at,
        "pid": beat.pid,
        "version": beat.version,
        "started_at": beat.started_at,
    }


def _at_a_glance(status: dict[str, Any], *, now: datetime) -> None:
    rows = []
    for name, role in status["roles"].items():
        more = f"pid {role['pid']}, last sign of life {say.ago(role['at'], now=now)}" if role["at"] else ""
        rows.append((name, role["says"], more))
    say.table((), rows)
    counted = ", ".join(f"{number} {health}" for health, number in sorted(status["targets"].items()))
    say.line(f"targets: {counted or 'none seen yet'}")
    for name, on in status["flags"].items():
        if not on and name != "PAM_INTEGRATION_ENABLED":
            say.line(f"{name} is off", fg="yellow")
    for pause in status["paused"]:
        until = f" until {say.at(pause.ends_at)}" if pause.ends_at else ""
        say.line(f"paused: {pause.target or 'everything'}{until}, by {pause.by}: {pause.reason}", fg="yellow")
    if status["approvals_waiting"]:
        waiting = say.several(status["approvals_waiting"], "answer")
        say.line(f"{waiting} asked of you: devops-agent approvals", fg="yellow")
    if not status["open"]:
        say.line("no incident is open")
        return
    say.line()
    say.table(
        ("open", "severity", "status", "target", "opened", "what"),
        [
            (
                one.id,
                one.severity.value,
                one.status.value,
                one.target or "–",
                say.roughly(one.opened_at, now=now),
                one.title,
            )
            for one in status["open"]
        ],
    )


def _managed(target: Target, *, default: bool) -> bool:
    return bool(target.via) and (default if target.managed is None else target.managed)


def _readings(readings: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in sorted(readings.items())[:4])
