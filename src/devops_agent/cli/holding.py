"""Hold back: pauses, silences, the three switches."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import SPAN, Call, Trouble, command, pair_of
from devops_agent.cli.exits import Exit
from devops_agent.cli.ordering import see_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.model.control import Pause
    from devops_agent.store.rows import Rows


@command(
    "pause",
    'devops-agent pause --reason "migration" --for 1h',
    'devops-agent pause checkout --reason "being debugged"',
)
@click.argument("target", default="")
@click.option("--reason", required=True, help="Why; shown wherever something was left undone because of it.")
@click.option("--for", "lasts", type=SPAN, metavar="DURATION", help="Ends by itself after so long (1h); else never.")
def pause(call: Call, target: str, *, reason: str, lasts: timedelta | None) -> None:
    """Stop automatic actions, on one target or on all. Watching and telling go on."""
    from devops_agent.engine import commands

    settings, now = call.settings(), call.now
    ends_at = now + lasts if lasts else None

    def work(rows: Rows) -> Pause:
        if target:
            see_target(rows, settings, target)
        return commands.pause(rows, target=target, reason=reason, by=call.by, ends_at=ends_at, now=now)

    made = call.write(work, make=True)
    if call.as_json:
        say.document(made)
        return
    say.line(f"paused {target or 'everything'}{f' until {say.at(ends_at)}' if ends_at else ''}")
    say.note(f"devops-agent resume {target}".rstrip() + " ends it")


@command("resume", "devops-agent resume", "devops-agent resume checkout")
@click.argument("target", default="")
def resume(call: Call, target: str) -> None:
    """Let automatic actions go on, on one target or on all.

    Without a target it ends the pauses of everything, not those of single targets.
    """
    from devops_agent.engine import commands

    now = call.now
    ended = call.write(lambda rows: commands.resume(rows, target=target, by=call.by, now=now))
    if call.as_json:
        say.document({"target": target, "ended": ended})
        return
    say.line(f"resumed {target or 'everything'}")


@command(
    "silence",
    'devops-agent silence alertname=HighLatency service="search*" --for 2h --comment "reindexing"',
)
@click.argument("matchers", nargs=-1, required=True, metavar="LABEL=PATTERN...")
@click.option("--for", "lasts", type=SPAN, metavar="DURATION", required=True, help="How long (2h).")
@click.option("--comment", required=True, help="Why.")
def silence(call: Call, matchers: Sequence[str], *, lasts: timedelta, comment: str) -> None:
    """Let alerts open no incident for a while whose labels match. Patterns may hold *; all have to match."""
    from devops_agent.engine import commands

    asked = dict(pair_of(one, "LABEL=PATTERN") for one in matchers)
    now = call.now
    made = call.write(
        lambda rows: commands.silence(
            rows, matchers=asked, by=call.by, comment=comment, now=now, ends_at=now + lasts
        ),
        make=True,
    )  # fmt: skip
    if call.as_json:
        say.document(made)
        return
    say.line(f"{made.id} silences {_said(made.matchers)} until {say.at(made.ends_at)}")


@command("silences", "devops-agent silences", "devops-agent silences --json")
def list_silences(call: Call) -> None:
    """List the silences that hold now or begin later."""
    from devops_agent.store import controls

    now = call.now
    found = call.read(lambda rows: controls.silences(rows, now=now))
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line("nothing is silenced")
        return
    rows = [(one.id, _said(one.matchers), say.ago(one.ends_at, now=now), one.by, one.comment) for one in found]
    say.table(("silence", "alerts", "ends", "by", "why"), rows)


@command("unsilence", "devops-agent unsilence SIL-2")
@click.argument("silence")
def unsilence(call: Call, silence: str) -> None:
    """End a silence."""
    from devops_agent.engine import commands

    now = call.now
    id_ = f"SIL-{silence}" if silence.isascii() and silence.isdigit() else silence.upper()
    call.write(lambda rows: commands.end_silence(rows, id_, by=call.by, now=now))
    if call.as_json:
        say.document({"id": id_, "ended_at": now})
        return
    say.line(f"ended {id_}")


@command(
    "flags",
    "devops-agent flags",
    "devops-agent flags AUTO_REMEDIATION_ENABLED off",
    "devops-agent flags AUTO_REMEDIATION_ENABLED default",
    "devops-agent flags --json",
)
@click.argument("name", default="")
@click.argument("value", type=click.Choice(["on", "off", "default"]), required=False)
def switch_flags(call: Call, name: str, value: str | None) -> None:
    """Show the three switches, or switch one while running.

    What is switched here goes before file and environment, also after the next start; `default` takes it back.

    AUTONOMOUS_MONITORING_ENABLED: watch by itself.
    AUTO_REMEDIATION_ENABLED: act; off means only say what would have been done. PAM_INTEGRATION_ENABLED: write notices
    for the PAM assistant.
    """
    from devops_agent.engine import commands

    now = call.now
    if name and value is None:
        raise Trouble(f"say what {name} should be: devops-agent flags {name} on, or off, or default", Exit.USAGE)
    if value is not None:
        wanted = {"on": True, "off": False, "default": None}[value]
        call.write(lambda rows: commands.set_flag(rows, name, value=wanted, by=call.by, now=now), make=True)
    _show_flags(call)


def _show_flags(call: Call) -> None:
    from devops_agent.engine.commands import FLAGS
    from devops_agent.store import controls

    settings = call.settings()
    switched = call.read(controls.flags)
    found = [
        {"name": name, "value": switched.get(name, getattr(settings.flags, name)), "switched": name in switched}
        for name in FLAGS
    ]
    if call.as_json:
        say.document(found)
        return
    where = {True: "switched while running", False: "by configuration"}
    rows = [(one["name"], "on" if one["value"] else "off", where[bool(one["switched"])]) for one in found]
    say.table(("flag", "is", "why"), rows)


def _said(matchers: dict[str, str]) -> str:
    return ", ".join(f"{label}={pattern}" for label, pattern in sorted(matchers.items()))
