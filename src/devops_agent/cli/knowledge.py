"""Knowledge: earlier incidents like one, runbooks drafted from what people did, proposals of permanent fixes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.incidents import known, step_line

if TYPE_CHECKING:
    from devops_agent.model.knowledge import Document, Draft, Similar
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows


@command("similar", "devops-agent similar INC-7", "devops-agent similar INC-7 --limit 10 --json")
@click.argument("incident")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="How many at most.")
def list_similar(call: Call, incident: str, *, limit: int) -> None:
    """List closed incidents like this one, the most alike first, with what verifiably helped then.

    Alike is what reads alike: alerts, diagnosis, errors in the logs, changes. 1 is the same, 0 nothing in common.
    """
    id_, document = call.read(lambda rows: _document(rows, incident))
    found = _nearest(call, document, limit) if document else _recalled(call, id_, limit)
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line(f"no closed incident is remembered that could be like {id_}")
        return
    rows = [
        (one.incident, f"{one.score:.2f}", one.target, one.kind, one.helped or "–", one.feedback or "–", one.says)
        for one in found
    ]
    say.table(("incident", "alike", "target", "sort", "helped", "people say", "what"), rows)


@command("proposals", "devops-agent proposals", "devops-agent proposals --json")
def list_proposals(call: Call) -> None:
    """List what recurs within 14 days, by which rhythm, and what would end it for good."""
    from devops_agent.store import knowledge

    found = call.read(knowledge.proposals)
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line("nothing recurs")
    for one in found:
        say.line(one.says, bold=True)
        say.line(f"  {one.advice}")
        say.line(f"  {', '.join(one.incidents)}")


@command("drafts", "devops-agent drafts", "devops-agent drafts --all --json")
@click.option("--all", "everything", is_flag=True, help="Also those that were accepted or rejected.")
def list_drafts(call: Call, *, everything: bool) -> None:
    """List runbooks drafted from what people did with success, three times or more.

    None is used before it is accepted.
    """
    from devops_agent.store import knowledge

    found = call.read(lambda rows: knowledge.drafts(rows, standing="" if everything else "waiting"))
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line("no draft" if everything else "no draft waits for a person's word")
        return
    say.table(
        ("draft", "stands at", "for", "why"),
        [(one.name, one.standing.value, ", ".join(one.runbook.match.kinds), one.reasons[-1]) for one in found],
    )


@click.group("draft")
def GROUP() -> None:  # noqa: N802 — the table of commands names it so
    """Show, accept or reject a drafted runbook."""


@command("show", "devops-agent draft show memory-pressure-docker-restart")
@click.argument("name")
def show_draft(call: Call, name: str) -> None:
    """Show a draft: the file that it would become, and the incidents that it rests on."""
    from devops_agent.config.writing import write_runbook

    found = call.read(lambda rows: _known(rows, name))
    if call.as_json:
        say.document(found)
        return
    word = f" by {found.by}: {found.comment}" if found.by else ""
    say.line(f"{found.name}  {found.standing.value}{word}", bold=True)
    say.heading("Steps")
    for number, step in enumerate(found.runbook.steps, start=1):
        say.line(f"  {number}. {step_line(step)}")
    say.heading("Because")
    for line in found.reasons:
        say.line(f"  - {line}")
    say.heading("As a file")
    for line in write_runbook(found.runbook).splitlines():
        say.line(f"  {line}")


@command("accept", "devops-agent draft accept memory-pressure-docker-restart")
@click.argument("name")
@click.option("--comment", default="", help="Kept in the timeline.")
def accept_draft(call: Call, name: str, *, comment: str) -> None:
    """Write a draft into the first folder of `runbooks:` in agent.yaml; from then on it is a runbook like any other.

    It is checked as every runbook is. The guard still decides on each plan that is made from it.
    """
    from devops_agent.engine.drafts import answer
    from devops_agent.model.knowledge import Standing

    found = call.read(lambda rows: _waiting(rows, name))
    file = _file(call, found)
    text = _checked(call, found, file)
    _write(file, text)
    now = call.now
    try:
        call.write(lambda rows: answer(rows, name, Standing.ACCEPTED, by=call.by, comment=comment, now=now))
    except Exception:
        file.unlink(missing_ok=True)
        raise
    if call.as_json:
        say.document({"draft": name, "file": str(file)})
        return
    say.line(f"wrote {file}; the agent reads it at once")


@command("reject", 'devops-agent draft reject memory-pressure-docker-restart --comment "mend the leak instead"')
@click.argument("name")
@click.option("--comment", default="", help="Kept in the timeline.")
def reject_draft(call: Call, name: str, *, comment: str) -> None:
    """Reject a draft; the same one is not made again."""
    from devops_agent.engine.drafts import answer
    from devops_agent.model.knowledge import Standing

    now = call.now
    rejected = call.write(lambda rows: answer(rows, name, Standing.REJECTED, by=call.by, comment=comment, now=now))
    if call.as_json:
        say.document(rejected)
        return
    say.line(f"rejected {name}")


def _document(rows: Rows, incident: str) -> tuple[str, Document | None]:
    from devops_agent.store import knowledge

    found = known(rows, incident)
    document = knowledge.get(rows, found.id)
    return found.id, document if document is not None and document.kind == "incident" else None


def _nearest(call: Call, document: Document, limit: int) -> list[Similar]:
    from devops_agent.store import knowledge

    return call.read(
        lambda rows: knowledge.like(rows, document.vector, model=document.model, limit=limit, besides=document.id)
    )


def _recalled(call: Call, incident: str, limit: int) -> list[Similar]:
    """Embed an incident that is not remembered yet."""
    from devops_agent.app.clock import SystemClock
    from devops_agent.config.secrets import read_secret
    from devops_agent.workers.embedding import build_embedder
    from devops_agent.workers.remember import recall

    wanted = call.settings().knowledge
    key = read_secret(wanted.key_file) if wanted.key_file else ""
    embedder = build_embedder(wanted.embedding, base_url=wanted.base_url, key=key)

    async def use(store: Store) -> list[Similar]:
        return await recall(store, incident, embedder=embedder, clock=SystemClock(), limit=limit)

    return call.with_store(use)


def _known(rows: Rows, name: str) -> Draft:
    from devops_agent.store import knowledge

    found = knowledge.draft(rows, name)
    if found is None:
        raise Trouble(f"no draft {name!r}; `devops-agent drafts --all` lists them", Exit.NOT_FOUND)
    return found


def _waiting(rows: Rows, name: str) -> Draft:
    from devops_agent.model.knowledge import Standing

    found = _known(rows, name)
    if found.standing is not Standing.WAITING:
        raise Trouble(f"{name} was {found.standing.value} by {found.by} already", Exit.REFUSED)
    return found


def _file(call: Call, draft: Draft) -> Path:
    folders = call.settings().runbooks
    if not folders:
        says = "cannot accept a draft: there is no folder for it; name one under `runbooks:` in agent.yaml"
        raise Trouble(says, Exit.CONFIG)
    file = Path(folders[0]) / f"{draft.name}.yaml"
    if file.exists():
        raise Trouble(f"cannot accept {draft.name}: {file} is there already; move it away first", Exit.REFUSED)
    return file


def _checked(call: Call, draft: Draft, file: Path) -> str:
    """Return the file's text, which is a runbook that the loader takes.

    Raises:
        ConfigError: it is none: an action of it is offered no more, say.

    """
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.parts import all_actions
    from devops_agent.config.runbooks import parse_runbook
    from devops_agent.config.writing import write_runbook

    text = write_runbook(draft.runbook, comments=draft.reasons)
    parse_runbook(text.encode(), file=str(file), actions=all_actions(call.settings(), clock=SystemClock()))
    return text


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise Trouble(f"cannot write {file}: {error.strerror}", Exit.REFUSED) from error


GROUP.add_command(show_draft)
GROUP.add_command(accept_draft)
GROUP.add_command(reject_draft)
