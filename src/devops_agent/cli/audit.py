"""The record of everything, and the proof that it is whole."""

from __future__ import annotations

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit


@click.group("audit")
def GROUP() -> None:  # noqa: N802 — the table of commands names it so
    """Read the record of everything, and prove that it is whole.

    Every event carries a hash of itself and the one before, so that nothing can be altered, removed or slipped in
    without being noticed.
    """


@command(
    "list",
    "devops-agent audit list --limit 20",
    "devops-agent audit list --actor cli:ada --kind approved",
    "devops-agent audit list --text docker.restart --before 400 --json",
)
@click.option("--kind", metavar="KIND", default="", help="Only those of one kind: approved, step, pause, token.")
@click.option("--actor", metavar="WHO", default="", help="Only what one did: agent, cli:ada, api:TOKEN, page:bob.")
@click.option("--target", metavar="TARGET", default="", help="Only those about one target.")
@click.option("--incident", metavar="INCIDENT", default="", help="Only those of one incident.")
@click.option("--text", metavar="TEXT", default="", help="Only those that say this, in letters of any case.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--before", type=click.IntRange(1), default=2**62, help="Only events with lower numbers.")
def list_events(
    call: Call, *, kind: str, actor: str, target: str, incident: str, text: str, limit: int, before: int
) -> None:
    """List events, newest first: who did what, when."""
    from devops_agent.cli.incidents import incident_id
    from devops_agent.store import events

    only = incident_id(incident) if incident else ""
    sought = events.Sought(kind=kind, actor=actor, target=target, incident=only, text=text)
    found = call.read(lambda rows: events.search(rows, sought, before=before, limit=limit))
    if call.as_json:
        say.document(found)
        return
    rows = [(one.seq, say.at(one.at), one.actor, one.kind, one.incident or "–", one.says) for one in found]
    say.table(("event", "at", "who", "kind", "incident", "what"), rows)


@command("verify", "devops-agent audit verify", "devops-agent audit verify --head 4f0c81d2…")
@click.option(
    "--head", "noted", metavar="HASH", help="A hash noted before: it has to be in the record, so nothing was cut off."
)
def verify(call: Call, *, noted: str | None) -> None:
    """Prove that the record is whole. The exit code is 1 when it is not.

    It prints the hash of the newest event. Whoever notes it elsewhere can later prove with --head that nothing of what
    was there then has been cut off or written anew.
    """
    from devops_agent.store import events
    from devops_agent.store.rows import Rows

    def prove(rows: Rows) -> tuple[int, str, tuple[int, str] | None, bool]:
        seq, head = events.head(rows)
        holds = noted is None or noted == events.GENESIS or rows.one(
            "SELECT seq FROM events WHERE hash = :hash", hash=noted
        ) is not None  # fmt: skip
        return seq, head, events.broken_link(rows), holds

    seq, head, broken, holds = call.read(prove)
    says = (
        broken[1] if broken else "" if holds else f"no event has the hash {noted}: the record was cut off or replaced"
    )
    if call.as_json:
        place = broken[0] if broken else None
        says_ = says or f"all {seq} events are as they were written"
        say.document({"intact": not says, "events": seq, "head": head, "broken_at": place, "says": says_})
        if says:
            raise click.exceptions.Exit(Exit.REFUSED)
        return
    if says:
        raise Trouble(f"the record is not whole: {says}", Exit.REFUSED)
    say.line(f"whole: all {seq} events are as they were written")
    say.line(f"head: {head}")


GROUP.add_command(list_events)
GROUP.add_command(verify)
