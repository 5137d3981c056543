"""Tell over time: reports, post-mortems, and the log of everything that was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from devops_agent.analysis.paper import Paper
    from devops_agent.config.settings import Settings
    from devops_agent.model.period import Period

_WEEK = timedelta(days=7)


class _When(click.ParamType[datetime]):
    """A moment, or how long ago."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read `7d`, `2026-11-20`, `2026-11-20T07:30+01:00`; without an offset UTC is meant."""
        from devops_agent.model.duration import DurationError, parse_duration

        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            return datetime.now(UTC) - parse_duration(text)
        except (DurationError, OverflowError):
            pass
        try:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no time; write 7d (ago), 2026-11-20, or 2026-11-20T07:30", param, ctx)


_SINCE = click.option("--since", type=_When(), metavar="WHEN", help="From then on: 7d (ago), 2026-11-20.")
_UNTIL = click.option("--until", type=_When(), metavar="WHEN", help="Up to then; else up to now.")
_HTML = click.option("--html", "as_html", is_flag=True, help="As a page of HTML that needs nothing from outside.")


@command("report", "devops-agent report weekly", "devops-agent report daily --html > day.html")
@click.argument("kind", type=click.Choice(["daily", "weekly", "monthly"]))
@click.option("--name", metavar="NAME", default="", help="A certain one: 2026-11-20, 2026-W47, 2026-11.")
@_SINCE
@_UNTIL
@_HTML
def tell_report(
    call: Call, *, kind: str, name: str, since: datetime | None, until: datetime | None, as_html: bool
) -> None:
    """Tell a period in figures, in Markdown: the last whole day, week or month, or any time by --since and --until.

    Availability and error budgets, how soon trouble was found and over, who ended it, what was done in vain.
    """
    from devops_agent.analysis import report
    from devops_agent.engine import reporting

    settings, now = call.settings(), call.now
    period = _period(kind, name, since, until, settings=settings, now=now)
    made = call.read(lambda rows: reporting.find(rows, period, settings=settings, now=now))
    if call.as_json:
        say.document(made)
    else:
        _write(report.paper_of(made, url=settings.web.public_url.rstrip("/") or None), as_html=as_html)


@command("postmortem", "devops-agent postmortem INC-17", "devops-agent postmortem INC-17 --html > INC-17.html")
@click.argument("incident", metavar="INCIDENT")
@_HTML
def draft_post_mortem(call: Call, *, incident: str, as_html: bool) -> None:
    """Draft the post-mortem of an incident, in Markdown: impact, timeline, cause, what helped, what to do."""
    from devops_agent.analysis import postmortem
    from devops_agent.engine import aftermath

    settings, now = call.settings(), call.now
    found = call.read(lambda rows: aftermath.post_mortem(rows, incident.upper(), now=now))
    if call.as_json:
        say.document(found)
        return
    url = settings.web.public_url.rstrip("/") or None
    _write(postmortem.paper_of(found, time_zone=settings.reports.time_zone, url=url), as_html=as_html)


@command("changes", "devops-agent changes --since 7d", "devops-agent changes --since 2026-11-01 --json")
@_SINCE
@_UNTIL
@_HTML
def log_changes(call: Call, *, since: datetime | None, until: datetime | None, as_html: bool) -> None:
    """Tell everything that was done, in Markdown: by whom, why, with what result, and how it is taken back.

    Without --since of the last seven days.
    """
    from devops_agent.analysis import changelog
    from devops_agent.store import changes

    settings = call.settings()
    begin, end = _span(since, until, now=call.now)
    done = call.read(lambda rows: changes.done(rows, begin=begin, end=end))
    if call.as_json:
        say.document({"begin": begin, "end": end, "changes": done})
        return
    url = settings.web.public_url.rstrip("/") or None
    _write(changelog.paper_of(done, begin=begin, end=end, url=url), as_html=as_html)


def _period(
    kind: str, name: str, since: datetime | None, until: datetime | None, *, settings: Settings, now: datetime
) -> Period:
    from devops_agent.model import clockface, period

    where = clockface.zone(settings.reports.time_zone)
    try:
        if since is not None or until is not None:
            return period.custom(*_span(since, until, now=now))
        return period.named(kind, name, where=where) if name else period.last_whole(kind, now=now, where=where)
    except ValueError as error:
        raise Trouble(str(error), Exit.USAGE) from error


def _span(since: datetime | None, until: datetime | None, *, now: datetime) -> tuple[datetime, datetime]:
    end = until or now
    begin = since or end - _WEEK
    if begin >= end:
        message = f"cannot tell of a time that ends ({say.at(end)}) before it begins ({say.at(begin)})"
        raise Trouble(message, Exit.USAGE)
    return begin, end


def _write(told: Paper, *, as_html: bool) -> None:
    """Write a paper line by line; what a terminal would obey was taken out when it was made."""
    from devops_agent.analysis import paper

    click.echo(paper.html(told) if as_html else paper.markdown(told), nl=False)
