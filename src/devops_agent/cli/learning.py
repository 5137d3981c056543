"""Learning: how far to trust what the agent says, what has helped, what may act and why; and people's word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.incidents import known
from devops_agent.cli.ordering import see_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.engine.lessons import Confidence, Learnt, Lessons
    from devops_agent.store.rows import Rows


@command("learning", "devops-agent learning", "devops-agent learning --target checkout", "devops-agent learning --json")
@click.option("--target", metavar="TARGET", default="", help="Only actions on this target.")
def show_learning(call: Call, *, target: str) -> None:
    """Tell what was learnt: how right it is when it is sure, what has helped, and what may act without asking, and why.

    A diagnosis counts as right when a plan chosen for it verifiably healed and the trouble did not come back at once,
    and as wrong when a plan for another one healed, when it was a false alarm, or when a person says so. ECE is the
    mean gap between confidence and the share that was right: 0 is perfect, and some is there by chance. An action is
    credited only with what it heals more often than waiting does.
    """
    from devops_agent.engine.lessons import lessons
    from devops_agent.store import catalogue, targets

    settings, now = call.settings(), call.now

    def read(rows: Rows) -> Lessons:
        if target:
            see_target(rows, settings, target)
        every = {one.target.name: one.target for one in targets.all_(rows)} | {
            one.name: one for one in settings.targets
        }
        found = lessons(rows, settings=settings, actions=catalogue.actions(rows), targets=every.values(), now=now)
        return found.with_(actions=tuple(one for one in found.actions if target in ("", one.target)))

    found = call.read(read)
    if call.as_json:
        say.document(found)
        return
    _tell_confidence(found)
    _tell_runbooks(found)
    _tell_actions(found.actions)
    if target and not found.actions:
        say.line(f"nothing was done on {target} yet")


@command(
    "feedback",
    "devops-agent feedback INC-4 --right",
    'devops-agent feedback INC-4 --kind out_of_memory --component db --comment "dmesg says so"',
    "devops-agent feedback INC-4 --harmful",
)
@click.argument("incident")
@click.option("--right", is_flag=True, help="What was said to be wrong, was wrong.")
@click.option("--wrong", is_flag=True, help="It was not.")
@click.option("--kind", metavar="CLASS", default="", help="What was really wrong: a fault class, or `well`.")
@click.option("--component", metavar="NAME", default="", help="Where the cause really lay.")
@click.option("--helped", is_flag=True, help="The last plan helped, whatever was measured.")
@click.option("--useless", is_flag=True, help="The last plan did not help.")
@click.option("--harmful", is_flag=True, help="The last plan did harm: its actions are asked for.")
@click.option("--mended", is_flag=True, help="It was not over by itself: a person mended it.")
@click.option("--comment", default="", help="Why; kept in the timeline.")
def give_feedback(call: Call, incident: str, *, kind: str, component: str, comment: str, **said_of: bool) -> None:
    """Say whether a diagnosis was right, and what the last plan did; open and closed incidents alike.

    It goes before what the agent inferred, weighs more, and changes trust at once.
    """
    import msgspec

    from devops_agent.engine.feedback import Feedback, hear

    diagnosis = _only_one(said_of, "right", "wrong")
    outcome = _only_one(said_of, "helped", "useless", "harmful", "mended")
    told = {"diagnosis": diagnosis, "kind": kind, "component": component, "outcome": outcome}
    said = msgspec.convert({**told, "comment": comment}, Feedback)
    now = call.now
    says = call.write(lambda rows: hear(rows, known(rows, incident).id, said, by=call.by, now=now))
    if call.as_json:
        say.document({"says": says})
        return
    say.line(says)
    say.note("devops-agent learning tells what that changes")


def _only_one(given: Mapping[str, bool], *names: str) -> str:
    """Return which of options that exclude each other was given; empty: none.

    Raises:
        Trouble: several were.

    """
    said = [name for name in names if given[name]]
    if len(said) > 1:
        raise Trouble(f"--{said[0]} and --{said[1]} contradict each other; give one of them", Exit.USAGE)
    return said[0] if said else ""


def _tell_confidence(found: Lessons) -> None:
    if not found.confidence:
        say.line("no diagnosis was judged yet: nothing says how far its confidence can be trusted")
    for one in found.confidence:
        judges = ", ".join(f"{number} by {_JUDGES.get(by, by)}" for by, number in one.judged_by.items())
        say.line(f"{one.stated.claims} diagnoses by {one.source} were judged: {judges}", bold=True)
        rows = [
            (f"{band.above:.0%} to {band.above + 0.1:.0%}", band.claims, f"{band.confidence:.1%}", f"{band.right:.1%}")
            for band in reversed(one.published.bands)
        ]
        say.table(("published", "diagnoses", "mean", "right"), rows, indent=2)
        say.table(("confidence", "ece", "by chance", "brier"), _tables(one), indent=2)


_JUDGES = {"outcome": "what came of it", "person": "people"}


def _tables(one: Confidence) -> list[tuple[str, str, str, str]]:
    named = (
        ("as stated", one.stated),
        ("as published", one.published),
        ("corrected, for a service not seen before", one.unseen),
    )
    return [(name, f"{table.ece:.3f}", f"{table.by_chance:.3f}", f"{table.brier:.3f}") for name, table in named]


def _tell_runbooks(found: Lessons) -> None:
    if found.runbooks:
        say.heading("Runbooks")
        rows = [(one.runbook, one.kind, f"{one.healed} of {one.tried}") for one in found.runbooks]
        say.table(("runbook", "for", "healed"), rows, indent=2)


def _tell_actions(learnt: tuple[Learnt, ...]) -> None:
    if not learnt:
        return
    say.heading("Actions")
    rows = [
        (
            one.action,
            one.kind,
            one.target,
            f"{one.healed} of {one.tried}",
            f"{one.over_by_itself} of {one.left_alone}" if one.left_alone else "–",
            f"{one.credit:.0%}",
            one.standing.level.value,
            one.standing.says,
        )
        for one in learnt
    ]
    say.table(("action", "for", "on", "healed", "by itself", "credit", "trust", "why"), rows, indent=2)
