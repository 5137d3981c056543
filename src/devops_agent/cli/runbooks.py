"""Runbooks: what there is, what one says, what it would do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.incidents import step_line

if TYPE_CHECKING:
    from devops_agent.engine.rehearse import Rehearsal
    from devops_agent.model.runbook import Runbook


@click.group("runbook")
def GROUP() -> None:  # noqa: N802 — the table of commands names it so
    """List, show and test runbooks.

    They are read from the files that the configuration names, so that a change can be tried before the agent has it.
    """


@command("list", "devops-agent runbook list", "devops-agent runbook list --json")
def list_runbooks(call: Call) -> None:
    """List the runbooks: what each is for, and in how many steps."""
    found = _all(call)
    if call.as_json:
        say.document(found)
        return
    rows = [(one.name, ", ".join(one.match.kinds) or "–", len(one.steps), one.says) for one in found]
    say.table(("runbook", "for", "steps", "what it does"), rows)


@command("show", "devops-agent runbook show service-down")
@click.argument("name")
def show_runbook(call: Call, name: str) -> None:
    """Show one runbook: for which trouble it is, its steps, what shows that they worked."""
    book = _one(call, name)
    if call.as_json:
        say.document(book)
        return
    say.line(book.name, bold=True)
    match = book.match
    parts = [
        ("says", book.says),
        ("for", ", ".join(match.kinds)),
        ("alerts", ", ".join(match.alerts)),
        ("labels", ", ".join(f"{label}={pattern}" for label, pattern in match.labels.items())),
        ("plugins", ", ".join(match.via)),
        ("targets", ", ".join(match.targets)),
        ("file", book.source),
    ]
    say.table((), [(word, text) for word, text in parts if text])
    say.heading("Steps")
    for number, step in enumerate(book.steps, start=1):
        say.line(f"  {number}. {step_line(step)}")
    if not book.steps:
        say.line("  nothing is done")
    if book.advice:
        say.heading("If it does not help" if book.steps else "What a person should do")
        for line in book.advice:
            say.line(f"  - {line}")


@command(
    "test",
    "devops-agent runbook test service-down --alert alert.json",
    "devops-agent runbook test ./new.yaml --alert body.json --target checkout",
)
@click.argument("name", metavar="NAME_OR_FILE")
@click.option(
    "--alert", type=click.Path(path_type=Path), required=True, metavar="FILE",
    help="Alertmanager's or Grafana's body, or one alert as JSON; - reads standard input.",
)  # fmt: skip
@click.option("--target", metavar="TARGET", default="", help="The target, where the alert's labels name none.")
def test_runbook(call: Call, name: str, *, alert: Path, target: str) -> None:
    """Tell what a runbook would do about a recorded alert. Executes nothing.

    Shows every step with its real arguments, whether this runbook would be chosen, and what every rule of the guard
    would say now. A wrong runbook is refused with line and reason. The exit code is 1 when the guard would deny.
    """
    import asyncio

    from devops_agent.cli.rehearse import rehearse
    from devops_agent.model.decision import Permission

    content = _read(alert)
    rehearsals = asyncio.run(rehearse(call, _one(call, name), content, name=target))
    if call.as_json:
        say.document({"runbook": name, "executed": False, "alerts": rehearsals})
    else:
        for one in rehearsals:
            _tell(one)
        say.line()
        say.line("nothing was executed", bold=True)
    if any(one.decision is None or one.decision.permission is Permission.DENY for one in rehearsals):
        raise click.exceptions.Exit(Exit.REFUSED)


def _tell(one: Rehearsal) -> None:
    say.line(f"{one.alert} → {one.target}", bold=True)
    say.line(f"  diagnosis: {one.kind}, {one.confidence:.0%} sure from the alert alone")
    say.line(f"  choice: {one.choice}")
    if one.problem:
        say.line(f"  cannot become a plan: {one.problem}", fg="red")
        return
    for number, step in enumerate(one.steps, start=1):
        say.line(f"  {number}. {step_line(step)}")
    if one.decision is None:
        say.line("  nothing is done; people are told:")
        for line in one.advice:
            say.line(f"  - {line}")
        return
    decision = one.decision
    say.line(f"  the guard would say {decision.permission.value} ({decision.rule}): {decision.reason}", bold=True)
    rows = [("→" if said.rule == decision.rule else " ", said.permission.value, said.rule, said.reason)
            for said in decision.verdicts]  # fmt: skip
    say.table((), rows, indent=2)


def _all(call: Call) -> tuple[Runbook, ...]:
    from devops_agent.cli.starting import load_all

    return load_all(call).runbooks


def _one(call: Call, name: str) -> Runbook:
    """Return a runbook by its name, or the one in a file.

    Raises:
        ConfigError: it, or another one, is wrong.
        Trouble: there is none of that name.

    """
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.parts import all_actions
    from devops_agent.config.runbooks import load_runbook

    if name.endswith((".yaml", ".yml")):
        return load_runbook(Path(name), actions=all_actions(call.settings(), clock=SystemClock()))
    found = {book.name: book for book in _all(call)}
    if name not in found:
        raise Trouble(f"no runbook {name!r}; known: {', '.join(sorted(found))}", Exit.NOT_FOUND)
    return found[name]


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Trouble(f"cannot read the alert {file}: {error.strerror}", Exit.NOT_FOUND) from error


GROUP.add_command(list_runbooks)
GROUP.add_command(show_runbook)
GROUP.add_command(test_runbook)
