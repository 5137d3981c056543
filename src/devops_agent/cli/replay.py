"""Replay: kept decisions made again, and recorded alerts taken through today's rules, without acting."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import SPAN, Call, Trouble, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from devops_agent.cli.recording import Recording
    from devops_agent.engine.recorded import Would
    from devops_agent.engine.replay import Difference, Policy, Replayed
    from devops_agent.model.judgement import Judgement
    from devops_agent.store.rows import Rows

_INCIDENT = re.compile(r"(?:INC-)?[0-9]{1,18}", re.IGNORECASE)
_PAGE = 200


@command(
    "replay",
    "devops-agent replay --since 30d",
    "devops-agent replay INC-7 --json",
    "devops-agent replay --since 30d --export decisions.jsonl",
    "devops-agent replay alerts.jsonl",
)
@click.argument("what", metavar="[INCIDENT|FILE]", default="")
@click.option("--since", type=SPAN, default="30d", show_default=True, help="How far back decisions are replayed.")
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the decisions, with alerts and evidence, as JSON lines instead; - writes to standard output.",
)  # fmt: skip
def replay(call: Call, what: str, *, since: timedelta, export: Path | None) -> None:
    """Make past decisions again, or take recorded alerts through today's rules. Acts on nothing.

    Every decision (diagnosis, choice of a runbook, the guard's) is kept with all that it was made from, for 30 days.
    Each is made again from that by today's code, which has to give the same result: the exit code is 1 when one does
    not. Then each is made by today's targets, thresholds, runbooks, limits and switches, and what would be different is
    told; that is no failure.

    A FILE holds bodies that Alertmanager or Grafana posted, as JSON or one on a line, or what --export wrote. Its
    alerts go into an empty store, and each incident that they open is told with the diagnosis, the plan and what the
    guard would say. Targets are looked at through recorded evidence alone, nothing is asked for what it would touch,
    and no plan counts as carried out. The exit code is 2 when the file cannot be read as such.
    """
    begin = call.now - since
    if what and not _INCIDENT.fullmatch(what):
        _tell_file(call, Path(what))
        return
    judgements, incident = _kept(call, what, begin)
    if export is not None:
        _export(call, judgements, export)
        return
    _tell(call, _replay(call, judgements), judgements, incident=incident)


def _kept(call: Call, incident: str, begin: datetime) -> tuple[list[Judgement], str]:
    from devops_agent.cli.incidents import known

    def read(rows: Rows) -> tuple[list[Judgement], str]:
        id_ = known(rows, incident).id if incident else ""
        return list(_pages(rows, begin, id_)), id_

    return call.read(read)


def _pages(rows: Rows, begin: datetime, incident: str) -> Iterator[Judgement]:
    from devops_agent.store import judgements

    after = 0
    while page := judgements.since(rows, begin, incident=incident, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def _replay(call: Call, judgements: Sequence[Judgement]) -> Replayed:
    from devops_agent.engine.replay import replay

    return replay(judgements, policy=_policy(call))


def _policy(call: Call) -> Policy:
    """Return today's policy: the configuration as it is on the disk, and what the store says beside it."""
    from devops_agent import __version__
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.parts import all_actions
    from devops_agent.cli.starting import load_all
    from devops_agent.engine.ground import ground_of
    from devops_agent.engine.replay import Policy
    from devops_agent.store import controls, targets
    from devops_agent.store.rows import StoreError

    loaded = load_all(call)
    try:
        seen, switched = call.read(lambda rows: (targets.all_(rows), controls.flags(rows)))
    except StoreError:  # recorded alerts can be replayed before the agent has ever run
        seen, switched = [], {}
    found = [one.target for one in seen if one.target.found_by != "config"]
    return Policy(
        settings=loaded.settings,
        directory=ground_of(loaded.settings, discovered=found, version=__version__).directory,
        runbooks=loaded.runbooks,
        actions=all_actions(loaded.settings, clock=SystemClock()),
        switched=switched,
    )


def _tell(call: Call, replayed: Replayed, judgements: Sequence[Judgement], *, incident: str) -> None:
    if call.as_json:
        say.document(replayed)
    elif not judgements:
        say.line(f"no decision is kept{f' of {incident}' if incident else ' of that time'}")
    else:
        _tell_replayed(replayed)
    if replayed.changed or replayed.unreadable:
        raise click.exceptions.Exit(Exit.REFUSED)


def _tell_replayed(replayed: Replayed) -> None:
    of = f"{replayed.decisions} decisions about {replayed.incidents} incidents"
    say.line(f"{of}: {replayed.same} are made again the same from what they were made from", bold=True)
    for one in (*replayed.changed, *replayed.unreadable):
        _tell_difference(one)
    say.line()
    if not replayed.policy:
        say.line("by today's rules and policy nothing would be decided differently", bold=True)
        return
    say.line(f"by today's rules and policy {len(replayed.policy)} would be decided differently:", bold=True)
    for one in replayed.policy:
        _tell_difference(one)


def _tell_difference(one: Difference) -> None:
    say.line(f"{one.incident}  {say.at(one.at)}  {one.step}")
    rows = [("was", one.was), ("would now be", one.now), ("because", one.why)]
    say.table((), [(word, text) for word, text in rows if text], indent=4)


def _export(call: Call, judgements: Sequence[Judgement], file: Path) -> None:
    from devops_agent.cli import recording
    from devops_agent.store import alerts, evidence, incidents

    ids = dict.fromkeys(one.incident for one in judgements)

    def read(rows: Rows) -> list[str]:
        lines = [recording.written(one) for one in judgements]
        for id_ in ids:
            incident = incidents.get(rows, id_)
            target = incident.target if incident else ""
            lines += [
                recording.written_evidence(piece.target or target, piece) for piece in evidence.of_incident(rows, id_)
            ]
            lines += [recording.written_alert(alert) for alert in alerts.of_incident(rows, id_)]
        return lines

    text = "".join(f"{line}\n" for line in call.read(read))
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Trouble(f"cannot write {file}: {error.strerror}", Exit.REFUSED) from error
    say.note(f"wrote {len(judgements)} decisions about {len(ids)} incidents to {file}")


def _tell_file(call: Call, file: Path) -> None:
    from devops_agent.cli import recording

    try:
        recorded = recording.read(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        says = f"cannot read {file}: {error.strerror}; give an incident such as INC-7, or a file"
        raise Trouble(says, Exit.NOT_FOUND) from error
    policy = _policy(call)
    would = _rehearse(recorded, policy)
    from devops_agent.engine.replay import replay

    replayed = replay(recorded.judgements, policy=policy)
    if call.as_json:
        say.document({"executed": False, "incidents": would, "decisions": replayed})
    else:
        if recorded.judgements:
            _tell_replayed(replayed)
        for one in would:
            _tell_would(one)
        if recorded.batches and not would:
            say.line("these alerts would open no incident")
        say.line()
        say.line("nothing was executed", bold=True)
    if replayed.changed or replayed.unreadable:
        raise click.exceptions.Exit(Exit.REFUSED)


def _rehearse(recorded: Recording, policy: Policy) -> list[Would]:
    import asyncio

    from devops_agent import __version__
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.protect import NeverTouch
    from devops_agent.engine.ground import ground_of
    from devops_agent.engine.look import Eyes
    from devops_agent.engine.recorded import rehearse
    from devops_agent.engine.site import Site
    from devops_agent.store import open_store

    clock = SystemClock()
    ground = ground_of(policy.settings, discovered=list(policy.directory), version=__version__)

    async def run() -> list[Would]:
        with TemporaryDirectory() as folder:
            async with await open_store(f"sqlite:///{folder}/replay.db") as store:
                site = Site(
                    store=store,
                    clock=clock,
                    eyes=Eyes(actuators={}, probes={}, fallback=None, clock=clock),
                    actuators={},
                    actions=policy.actions,
                    guardian=NeverTouch(lambda: policy.settings),
                    settings=lambda: policy.settings,
                    ground=lambda: ground,
                    runbooks=lambda: policy.runbooks,
                    sightings=dict,
                    version=__version__,
                )
                return await store.write(
                    lambda rows: list(rehearse(rows, recorded.batches, evidence=recorded.evidence, site=site))
                )

    return asyncio.run(run())


def _tell_would(one: Would) -> None:
    from devops_agent.cli.incidents import step_line

    incident = one.incident
    say.line()
    say.line(f"{incident.id}  {incident.target or 'no target'}  {incident.title}", bold=True)
    say.line(f"  opened {say.at(incident.opened_at)} by {', '.join(one.alerts) or 'what came back'}")
    if one.diagnosis is None:
        say.line("  about no known target: a person would be told")
        return
    sure = f"{one.diagnosis.confidence:.0%} sure"
    say.line(f"  diagnosis: {one.diagnosis.kind}, {sure}: {one.diagnosis.says}")
    if not one.choice:
        say.line("  nothing would be done")
        return
    say.line(f"  choice: {one.choice}")
    for number, step in enumerate(one.plan.steps if one.plan else (), start=1):
        say.line(f"    {number}. {step_line(step)}")
    if one.decision is None:
        for line in one.advice:
            say.line(f"    - {line}")
        return
    said = one.decision
    say.line(f"  the guard would say {said.permission.value} ({said.rule}): {said.reason}")
