"""Follow what happens, live: out of the store on this machine, or over HTTP from a page elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from devops_agent.cli import say
from devops_agent.cli.call import TOKEN, Call, Trouble, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from devops_agent.kit.http import Http
    from devops_agent.store import Store

_LOOKS_AGAIN = 2.0  # seconds, for the case that a wake-up was lost
_WITHIN = 15.0
_SILENT = 35.0  # seconds; the page gives a sign of life every ten
_PAST_AT_MOST = 500
_LARGEST = 16_000_000
_PATIENCE = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each next try to connect; the last one goes on."""
_NO_MORE = {401: Exit.REFUSED, 403: Exit.REFUSED, 404: Exit.NOT_FOUND}
_COLOURS = {
    **dict.fromkeys(
        ("opened", "escalated", "failed", "frozen", "storm", "notify_failed", "report_failed", "denied", "expired"),
        "red",
    ),
    **dict.fromkeys(("awaiting_approval", "approval", "paused", "pause", "silenced", "flag", "climbed"), "yellow"),
    **dict.fromkeys(("resolved", "healed", "verified", "healthy", "approved", "resumed", "acknowledged"), "green"),
    **dict.fromkeys(("investigating", "remediating", "verifying", "step", "decision", "plan"), "cyan"),
    **dict.fromkeys(("diagnosis", "evidence", "insight"), "blue"),
    **dict.fromkeys(("token", "login", "account", "feedback", "order"), "magenta"),
}
"""Kind of event → colour."""


@command(
    "tail",
    "devops-agent tail",
    "devops-agent tail --lines 50 --incident INC-4",
    "devops-agent tail --no-follow --json",
    "devops-agent tail --url https://ops.example.org --token-file ada.token",
)
@click.option(
    "--lines",
    type=click.IntRange(0, 10_000),
    default=10,
    show_default=True,
    help="How many past ones first; over HTTP 500 at most.",
)
@click.option("--follow/--no-follow", default=True, help="Wait for more.  [default: follow]")
@click.option("--incident", metavar="INCIDENT", default="", help="Only what belongs to one incident.")
@click.option("--url", metavar="URL", help="Follow the page there, over HTTP, instead of the store here.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help=f"Holds the token for --url; else {TOKEN} of the environment.",
)
def follow_events(
    call: Call, *, lines: int, follow: bool, incident: str, url: str | None, token_file: str | None
) -> None:
    """Follow what happens, live, until Ctrl-C. With --json one document a line.

    Here it reads the record in the store, so it needs neither the page nor the agent. With --url it listens to a page
    elsewhere, with a token of scope `read`; when the connection is lost it connects again, and nothing is left out.
    """
    from devops_agent.cli.incidents import incident_id

    only = incident_id(incident) if incident else ""
    told = _over_http(url.rstrip("/"), call.token(token_file), lines, only, follow=follow) if url else None

    async def show(events: AsyncIterator[dict[str, Any]]) -> None:
        async for event in events:
            if event:
                _tell(event, as_json=call.as_json)
            else:
                say.see_reader()

    if told is not None:
        asyncio.run(show(told))
    elif token_file is not None:
        raise Trouble("--token-file goes with --url", Exit.USAGE)
    else:
        call.with_store(lambda store: show(_from_store(store, lines, only, follow=follow)))


async def _from_store(store: Store, lines: int, only: str, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the last events, and then what comes as it comes; an empty one now and then, when nothing does."""
    from devops_agent.store import events

    rung = store.bell.on("events")
    last, _ = await store.read(events.head)
    sought = events.Sought(incident=only)
    past = await store.read(lambda rows: events.search(rows, sought, before=last + 1, limit=lines)) if lines else []
    for event in reversed(past):
        yield say.plain(event)
    while follow:
        rung.clear()
        fresh = await store.read(lambda rows, after=last: events.after(rows, after))  # type: ignore[misc]
        for event in fresh:
            last = event.seq
            if only in ("", event.incident):
                yield say.plain(event)
        if not fresh:
            try:
                await asyncio.wait_for(rung.wait(), _LOOKS_AGAIN)
            except TimeoutError:
                yield {}


async def _over_http(url: str, token: str, lines: int, only: str, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the same as a page elsewhere tells it."""
    from devops_agent.kit.http import Http

    http = Http()
    headers = {"Authorization": f"Bearer {token}"}
    try:
        newest = await _audit(http, url, headers, limit=1)
        last = newest[0]["seq"] if newest else 0
        if lines:
            past = await _audit(http, url, headers, limit=min(lines, _PAST_AT_MOST), incident=only, cursor=last + 1)
            for event in reversed(past):
                yield event
        if follow:
            async for event in _listen(http, url, headers, last):
                if not event or only in ("", event["incident"]):
                    yield event
    finally:
        await http.close()


async def _audit(http: Http, url: str, headers: dict[str, str], **asked: object) -> list[dict[str, Any]]:
    """Return events, newest first."""
    from urllib.parse import urlencode

    from devops_agent.kit.http import HttpError

    try:
        answer = await http.request(
            "GET", f"{url}/api/v1/audit?{urlencode(asked)}", headers=headers, timeout=_WITHIN, limit=_LARGEST
        )
        if answer.ok:
            found: list[dict[str, Any]] = answer.json()["items"]
            return found
    except HttpError as error:
        raise Trouble(f"{error}; is the page running there?", Exit.UNREACHABLE) from error
    raise Trouble(_refused(url, answer.status, answer.text), _NO_MORE.get(answer.status, Exit.UNREACHABLE))


async def _listen(http: Http, url: str, headers: dict[str, str], last: int) -> AsyncIterator[dict[str, Any]]:
    """Yield events after `last`; connects again, from where it was, for as long as it takes. Empty: a sign of life."""
    from devops_agent.kit.http import HttpError

    failed = 0
    while True:
        try:
            async for event in _heard(http, url, {**headers, "Last-Event-ID": str(last)}):
                if failed:
                    say.note("connected again")
                    failed = 0
                last = event.get("seq", last)
                yield event
            lost = "it closed the connection"
        except TimeoutError:
            lost = f"it has been silent for {_SILENT:g} s"
        except HttpError as error:
            if error.status in _NO_MORE:
                raise Trouble(str(error), _NO_MORE[error.status]) from error
            lost = str(error)
        if not failed:
            say.note(f"lost the page: {lost}; connecting again, Ctrl-C ends it")
        await asyncio.sleep(_PATIENCE[min(failed, len(_PATIENCE) - 1)])
        failed += 1


async def _heard(http: Http, url: str, headers: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of one connection (WHATWG HTML, 9.2); an empty one is a sign of life.

    Raises:
        HttpError: it does not begin, or breaks off.
        TimeoutError: there was no sign of life for too long.

    """
    import msgspec

    lines = http.lines("GET", f"{url}/stream", headers=headers, timeout=_WITHIN)
    try:
        while True:
            async with asyncio.timeout(_SILENT):
                line = await anext(lines, None)
            if line is None:
                return
            field, _, value = line.partition(b":")
            yield msgspec.json.decode(value) if field == b"data" else {}
    finally:
        await lines.aclose()


def _refused(url: str, status: int, text: str) -> str:
    import msgspec

    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        said = None
    detail = said.get("detail") if isinstance(said, dict) else None
    return f"{url} refused ({status}): {detail or 'is that the page of an agent?'}"


def _tell(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say.one_line(event)
        return
    from datetime import datetime

    at = event["at"] if isinstance(event["at"], datetime) else datetime.fromisoformat(event["at"])
    about = " ".join(part for part in (event["incident"], event["target"]) if part)
    known = event["actor"] == "agent" or event["says"].startswith(event["actor"])
    actor = "" if known else f" ({event['actor']})"
    kind = say.coloured(f"{event['kind']:<17}", _COLOURS.get(event["kind"]))
    say.hanging(f"{at:%H:%M:%S} {kind} ", f"{about + ': ' if about else ''}{event['says']}{actor}")
