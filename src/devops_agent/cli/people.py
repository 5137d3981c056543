"""People: who is called, who has taken what, what was told to whom, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from devops_agent.cli import say
from devops_agent.cli.call import SPAN, Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.incidents import incident_id
from devops_agent.cli.ordering import see_target

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.config.settings import Settings
    from devops_agent.model.escalation import Escalation
    from devops_agent.model.mute import Mute
    from devops_agent.model.notice import Delivery, Notice
    from devops_agent.model.oncall import Duty
    from devops_agent.store.rows import Rows

_STAGES = ("waiting", "sending", "sent", "failed", "dropped", "gathered")
_TRIED = 30.0  # seconds for one message of a test


@command("ack", "devops-agent ack INC-4", 'devops-agent ack INC-4 --comment "on it"', "devops-agent ack --all")
@click.argument("incident", default="")
@click.option("--all", "everything", is_flag=True, help="Everything that waits for a person.")
@click.option("--comment", default="", help="Kept in the timeline.")
def acknowledge(call: Call, incident: str, *, everything: bool, comment: str) -> None:
    """Take an incident: nobody else is called for it any more, and those who were called are told."""
    from devops_agent.engine import escalation

    if bool(incident) == everything:
        raise Trouble("say which: devops-agent ack INC-4, or devops-agent ack --all", Exit.USAGE)
    now = call.now

    def work(rows: Rows) -> list[Escalation]:
        if everything:
            return escalation.acknowledge_all(rows, by=call.by, comment=comment, now=now)
        return [escalation.acknowledge(rows, incident_id(incident), by=call.by, comment=comment, now=now)]

    taken = call.write(work, tell=escalation.TOPICS)
    if call.as_json:
        say.document(taken)
        return
    say.line(f"you have {', '.join(one.incident for one in taken)}" if taken else "nothing waits for a person")


@command(
    "handover", "devops-agent handover INC-4 bob", 'devops-agent handover INC-4 bob --comment "it is his database"'
)
@click.argument("incident")
@click.argument("person")
@click.option("--comment", default="", help="Told to them, and kept in the timeline.")
def hand_over(call: Call, incident: str, person: str, *, comment: str) -> None:
    """Hand an incident over to one person of agent.yaml (notify.people), who is told at once.

    When they do not acknowledge it in time, the others are called as if nobody had taken it.
    """
    from devops_agent.engine import escalation

    settings, now = call.settings(), call.now
    handed = call.write(
        lambda rows: escalation.hand_over(
            rows, incident_id(incident), to=person, by=call.by, notify=settings.notify, comment=comment, now=now
        ),
        tell=escalation.TOPICS,
    )  # fmt: skip
    if call.as_json:
        say.document(handed)
        return
    say.line(f"{handed.incident} is {handed.handed_to}'s now")


@command(
    "mute",
    "devops-agent mute INC-4 --for 2h",
    'devops-agent mute checkout --kind disk_filling --for 1d --comment "new disk tomorrow"',
    "devops-agent mute checkout --for 8h --person bob",
)
@click.argument("about", metavar="INCIDENT|TARGET")
@click.option("--for", "lasts", type=SPAN, metavar="DURATION", required=True, help="How long (2h).")
@click.option("--kind", metavar="CLASS", default="", help="With a target: only trouble of this fault class.")
@click.option("--person", metavar="NAME", default="", help="Only for this person; else for all.")
@click.option("--comment", default="", help="Why.")
def mute(call: Call, about: str, *, lasts: timedelta, kind: str, person: str, comment: str) -> None:
    """Tell nobody, or one person less, of an incident or a target's trouble for a while.

    Watching, repairing and the record go on. What is still wrong when it ends is then told once.
    """
    from devops_agent.engine import escalation
    from devops_agent.store import incidents

    settings, now = call.settings(), call.now

    def work(rows: Rows) -> Mute:
        known = incidents.get(rows, incident_id(about))
        if known is None:
            see_target(rows, settings, about)
        elif kind:
            raise Trouble("--kind goes with a target; an incident has one kind already", Exit.USAGE)
        return escalation.mute(
            rows, incident=known.id if known else "", target="" if known else about, kind=kind, person=person,
            by=call.by, until=now + lasts, comment=comment, notify=settings.notify, now=now,
        )  # fmt: skip

    made = call.write(work, tell=escalation.TOPICS)
    if call.as_json:
        say.document(made)
        return
    say.line(f"{made.id}: {_about(made)} is muted for {made.person or 'all'} until {say.at(made.ends_at)}")
    say.note(f"devops-agent unmute {made.id} ends it")


@command("mutes", "devops-agent mutes", "devops-agent mutes --json")
def list_mutes(call: Call) -> None:
    """List the mutes that hold now."""
    from devops_agent.store import mutes

    now = call.now
    found = call.read(lambda rows: mutes.holding(rows, now=now))
    if call.as_json:
        say.document(found)
        return
    if not found:
        say.line("nothing is muted")
        return
    rows = [
        (one.id, _about(one), one.person or "all", say.roughly(one.ends_at, now=now), one.by, one.comment)
        for one in found
    ]
    say.table(("mute", "about", "for", "ends", "by", "why"), rows)


@command("unmute", "devops-agent unmute MUT-2")
@click.argument("mute")
def unmute(call: Call, mute: str) -> None:
    """End a mute; what is still wrong is then told once."""
    from devops_agent.engine import escalation

    now = call.now
    id_ = f"MUT-{mute}" if mute.isascii() and mute.isdigit() else mute.upper()
    ended = call.write(lambda rows: escalation.unmute(rows, id_, by=call.by, now=now), tell=escalation.TOPICS)
    if call.as_json:
        say.document(ended)
        return
    say.line(f"ended {ended.id}: {_about(ended)}")


@command("oncall", "devops-agent oncall", "devops-agent oncall --ahead 30d --json")
@click.option("--ahead", type=SPAN, metavar="DURATION", default="14d", show_default=True, help="How far to look.")
def tell_duty(call: Call, *, ahead: timedelta) -> None:
    """Tell who is on call now and next, and which incidents wait for a person."""
    from devops_agent.store import escalations

    settings, now = call.settings(), call.now
    plan, troubles = _duties(settings, now, ahead)
    waiting = call.read(escalations.every_living)
    if call.as_json:
        say.document({"schedules": plan, "troubles": troubles, "waiting": waiting})
        return
    if not plan:
        say.line("no schedule is written down (agent.yaml: notify.schedules)")
    for name, duties in plan.items():
        say.line(name, bold=True)
        rows = [
            ("now" if one.begins_at <= now else "", one.person, say.at(one.begins_at), say.at(one.ends_at), one.source)
            for one in duties
        ]
        say.table(("", "who", "from", "to", "by"), rows, indent=2)
        if not duties:
            say.line("  nobody")
    for name, trouble in troubles.items():
        say.line(f"{name}: {trouble}", fg="red")
    _tell_waiting(waiting, now=now)


@command(
    "notices",
    "devops-agent notices",
    "devops-agent notices --incident INC-4",
    "devops-agent notices --stage failed --json",
)
@click.option("--incident", metavar="INCIDENT", default="", help="Only those about one incident.")
@click.option("--stage", type=click.Choice(_STAGES), help="Only those of which a delivery stands so.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
def list_notices(call: Call, *, incident: str, stage: str | None, limit: int) -> None:
    """List what people were told, newest first: who, by which channel, when; or why not."""
    from devops_agent.store import deliveries, outbox

    only = incident_id(incident) if incident else ""

    def read(rows: Rows) -> list[tuple[Notice, list[Delivery]]]:
        found = outbox.of_incident(rows, only, limit=10_000) if only else outbox.latest(rows, limit=10_000)
        found = sorted(found, key=lambda one: one.id, reverse=True)
        told = deliveries.of_notices(rows, [one.id for one in found[: limit if stage is None else None]])
        kept = [(one, told.get(one.id, [])) for one in found if one.id in told]
        return [(one, ways) for one, ways in kept if stage is None or stage in {way.stage.value for way in ways}]

    found = call.read(read)[:limit]
    if call.as_json:
        say.document([{**say.plain(one), "deliveries": ways} for one, ways in found])
        return
    if not found:
        says = f"no notice about {only}" if only else "no notice"
        say.line(f"{says} of which a delivery stands at {stage}" if stage else f"{says} was written")
    for notice, ways in found:
        _tell_notice(notice, ways, now=call.now)


@click.group("notify")
def NOTIFY() -> None:  # noqa: N802 — the table of commands names it so
    """Try the channels by which people are told."""


@command("test", "devops-agent notify test slack", "devops-agent notify test --all --json")
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@click.option("--all", "everything", is_flag=True, help="Every channel of agent.yaml.")
def try_channels(call: Call, channels: tuple[str, ...], *, everything: bool) -> None:
    """Send a test message through channels, and say what came of it. The exit code is 1 when one did not take it."""
    import asyncio

    from devops_agent.app.trying import try_channel

    settings, now = call.settings(), call.now
    known = [one.name for one in settings.notify.channels]
    if bool(channels) == everything:
        raise Trouble("say which: devops-agent notify test CHANNEL, or --all", Exit.USAGE)
    for name in channels:
        if name not in known:
            says = f"no channel {name!r}; known: {', '.join(known) or 'none'} (agent.yaml: notify.channels)"
            raise Trouble(says, Exit.NOT_FOUND)

    async def every() -> list[dict[str, Any]]:
        names = known if everything else list(dict.fromkeys(channels))
        return [
            {"channel": name, **await try_channel(settings, name, by=call.by, now=now, within=_TRIED)} for name in names
        ]

    tried = asyncio.run(every())
    if call.as_json:
        say.document(tried)
    elif not tried:
        say.line("there is no channel (agent.yaml: notify.channels)")
    else:
        say.table(("channel", "", "what came of it"), [(one["channel"], one["result"], one["says"]) for one in tried])
    if any(one["result"] != "sent" for one in tried):
        raise click.exceptions.Exit(Exit.REFUSED)


def _duties(settings: Settings, now: datetime, ahead: timedelta) -> tuple[dict[str, list[Duty]], dict[str, str]]:
    """Return schedule → who is on call in order, and schedule → why its calendar cannot be used."""
    from devops_agent.config.calendars import Calendars
    from devops_agent.model.clockface import zone
    from devops_agent.model.oncall import coming

    notify = settings.notify
    calendars = Calendars()
    plan = {
        one.name: coming(
            one, now, where=zone(notify.time_zone), calendar=calendars.duties(one, notify, now), until=now + ahead
        )
        for one in notify.schedules
    }
    return plan, calendars.troubles(notify)


def _tell_waiting(waiting: list[Escalation], *, now: datetime) -> None:
    if not waiting:
        say.line("nothing waits for a person")
        return
    say.heading("Waiting for a person")
    rows = [
        (
            one.incident,
            one.severity.value,
            one.state.value,
            say.roughly(one.began_at, now=now),
            say.roughly(one.climb_at, now=now) if one.climb_at else "–",
            one.handed_to or one.policy or ", ".join(one.tell),
        )
        for one in waiting
    ]
    say.table(("incident", "severity", "stands", "since", "next", "whom"), rows, indent=2)
    say.note("devops-agent ack INCIDENT takes it")


def _tell_notice(notice: Notice, ways: list[Delivery], *, now: datetime) -> None:
    title = str(notice.message.get("title", ""))
    about = f"{notice.incident} " if notice.incident and notice.incident not in title else ""
    say.line(f"{say.at(notice.created_at)}  {notice.kind}: {about}{title}", bold=True)
    if not ways:
        say.line("  nobody: no route led to a channel; it is on the page" if notice.routed_at else "  not routed yet")
    rows = [
        (
            one.channel,
            one.person or "–",
            one.stage.value,
            say.roughly(one.ended_at or one.not_before, now=now),
            _how(one),
        )
        for one in ways
    ]
    say.table((), rows, indent=2)


def _how(one: Delivery) -> str:
    """Return what there is to say beside where it stands."""
    told = [one.says] if one.says else []
    told += [f"{one.tries} tries"] if one.tries > 1 else []
    told += [f"perhaps {say.several(one.repeats, 'time')} more than once"] if one.repeats else []
    return "; ".join(told)


def _about(mute: Mute) -> str:
    return mute.incident or f"{mute.kind or 'everything'} on {mute.target}"


NOTIFY.add_command(try_channels)
