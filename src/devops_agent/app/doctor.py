"""The doctor: looks at everything that the agent needs, changes nothing, and says what to mend."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent import __version__
from devops_agent.app.clock import SystemClock
from devops_agent.app.finding import Finding, fail, ok, warn
from devops_agent.app.first import FILE as OWNER_TOKEN
from devops_agent.app.parts import Parts, all_actions, build_parts
from devops_agent.app.protect import NeverTouch, find
from devops_agent.app.reaching import reach
from devops_agent.config.calendars import Calendars
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, doubts_about, read_secret
from devops_agent.config.settings import Settings
from devops_agent.config.source import Source
from devops_agent.engine.commands import FLAGS
from devops_agent.engine.stock import overdue
from devops_agent.kit import proc
from devops_agent.kit.tools import SettingsError
from devops_agent.ports import PluginError
from devops_agent.store import Store, catalogue, controls, events, heartbeats, open_store, targets
from devops_agent.store.rows import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devops_agent.config.source import Loaded
    from devops_agent.model.target import Target
    from devops_agent.store.heartbeats import Heartbeat
    from devops_agent.store.rows import Rows

_SILENT_AFTER = timedelta(seconds=30)
_PATIENCE = 5.0  # seconds for one plugin, and for the page
_LITTLE = 200_000_000  # bytes free on the state folder's disk
_AHEAD = timedelta(seconds=5)


async def examine(config: Path | None, *, environ: Mapping[str, str]) -> list[Finding]:
    """Return what was found, in the order in which it should be mended."""
    clock = SystemClock()
    try:
        source = Source(config, environ=environ, actions=lambda settings: all_actions(settings, clock=clock))
    except (ConfigError, SettingsError) as error:
        return [
            fail("config", line, "mend it; `devops-agent check` tells all of it") for line in str(error).splitlines()
        ]
    settings = source.now.settings
    found = [
        _config(source.now),
        *_state_folder(Path(settings.state_dir)),
        *_secrets(settings),
        *_calendars(settings, now=clock.now()),
    ]
    found += await _kept(settings)
    found.append(await _page(settings))
    found += await _plugins(settings)
    found += await reach(settings, clock=clock)
    found += _opted_in(settings)
    found += _never_touched(settings)
    return found


async def containers() -> list[Target]:
    """Return the Docker containers of this machine as targets.

    Raises:
        PluginError: the engine cannot be reached.

    """
    settings = Settings(plugins={"docker": {}})
    parts = build_parts(settings, guardian=NeverTouch(lambda: settings), clock=SystemClock())
    try:
        async with asyncio.timeout(_PATIENCE):
            return list(await parts.inventories["docker"].discover())
    except TimeoutError as error:
        raise PluginError(f"Docker does not answer within {_PATIENCE:g} s") from error
    finally:
        await parts.close()


def lock_holder(folder: Path) -> str:
    """Return the pid of the agent that works on this state folder; empty when none does."""
    try:
        descriptor = os.open(folder / "agent.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return ""


def _config(loaded: Loaded) -> Finding:
    settings = loaded.settings
    count = len(settings.targets)
    counts = f"{count} target{'s' * (count != 1)}, {len(loaded.runbooks)} runbooks"
    if not settings.source:
        return warn("config", f"no agent.yaml was found, the defaults hold: {counts}", "write one: devops-agent init")
    return ok("config", f"{settings.source}: {counts}")


def _state_folder(folder: Path) -> Iterator[Finding]:
    try:
        seen = folder.stat()
    except OSError as error:
        yield warn("state", f"{folder} is not there: {error.strerror}", "`devops-agent run` makes it")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield fail("state", f"{folder} cannot be written by this user", "run as its owner, or change state_dir")
        return
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if free < _LITTLE:
        yield fail(
            "state", f"{free // 1_000_000} MB are free on the disk of {folder}", "make room, or change state_dir"
        )
    elif seen.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warn("state", f"{folder} is open to other users", f"chmod 700 {folder}")
    else:
        yield ok("state", f"{folder}, {free // 1_000_000_000} GB free")
    holder = lock_holder(folder)
    yield ok("lock", f"held by the agent with pid {holder}" if holder else "free: no agent works on the state folder")


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Look at every file that the settings name as secret, never at what is in it."""
    named = {
        "store_password_file": settings.store_password_file,
        "web.alert_token_file": settings.web.alert_token_file,
        "investigation.model.key_file": settings.investigation.model.key_file,
        "knowledge.key_file": settings.knowledge.key_file,
        "accounts.oidc.client_secret_file": settings.accounts.oidc.client_secret_file,
    }
    for channel in settings.notify.channels:
        place = f"notify.channels.{channel.name}.options"
        files = {key: path for key, path in channel.options.items() if key.endswith("_file") and key != "ca_file"}
        named |= {f"{place}.{key}": str(path) for key, path in files.items()}
    for plugin, values in settings.plugins.items():
        named |= {f"plugins.{plugin}.{key}": str(path) for key, path in values.items() if key.endswith("_file")}
    owner = Path(settings.state_dir) / OWNER_TOKEN
    with suppress(OSError):
        named |= {"the owner's token": str(owner)} if owner.exists() else {}
    for name, path in named.items():
        if path:
            doubt = doubts_about(path)
            yield (
                fail("secrets", f"{name}: {doubt}", _way_to_secret(path)) if doubt else ok("secrets", f"{name}: {path}")
            )


def _calendars(settings: Settings, *, now: datetime) -> Iterator[Finding]:
    """Look at the files that say who is on call."""
    calendars = Calendars()
    on_call, troubles = calendars.on_call(settings.notify, now), calendars.troubles(settings.notify)
    for schedule in settings.notify.schedules:
        person = on_call.get(schedule.name, "nobody")
        if says := troubles.get(schedule.name):
            way = f"mend the file, or take notify.schedules.{schedule.name}.calendar_file out; the rotation counts now"
            yield warn("on call", f"{schedule.name}: {person}; {says}", way)
        else:
            yield ok("on call", f"{schedule.name}: {person}")


def _way_to_secret(path: str) -> str:
    if not os.path.lexists(path):
        return f"write it, readable by the agent's user only: install -m 600 /dev/null {path}"
    return "name a file" if Path(path).is_dir() else f"chmod 600 {path}"


async def _kept(settings: Settings) -> list[Finding]:
    """Look at the store and at what the roles have written down in it."""
    shown = settings.database.rpartition("@")[2]
    file = settings.database.removeprefix("sqlite:///")
    if settings.database.startswith("sqlite:///") and not os.access(file, os.F_OK):
        return [warn("store", f"{file} is not there yet", "`devops-agent run` makes it")]
    try:
        password = read_secret(settings.store_password_file) if settings.store_password_file else ""
        async with await open_store(settings.database, password=password) as store:
            return await _look_into(store, settings, shown=shown)
    except (StoreError, SecretError) as error:
        return [fail("store", str(error), "the agent cannot work without it")]


async def _look_into(store: Store, settings: Settings, *, shown: str) -> list[Finding]:
    now = datetime.now(UTC)

    def read(rows: Rows) -> list[Finding]:
        schema = rows.one("SELECT max(number) AS n FROM migrations")
        events_, _ = events.head(rows)
        known = len(catalogue.actions(rows))
        beats = heartbeats.all_(rows)
        return [
            ok("store", f"{shown}, schema {schema['n'] if schema else '?'}, {events_} events, {known} actions known"),
            *(_role(name, beats.get(name), now=now) for name in ("agent", "web")),
            _watchdog(rows, settings, now=now),
            *_switches(rows, settings, now=now),
            _clock(rows, beats, now=now),
            *_discovered(rows, settings),
        ]

    return await store.read(read)


def _role(name: str, beat: Heartbeat | None, *, now: datetime) -> Finding:
    if beat is None:
        return fail(name, "was never seen", "start it: devops-agent run")
    age = now - beat.at
    if age > _SILENT_AFTER:
        return fail(name, f"silent since {beat.at:%Y-%m-%d %H:%M:%S} UTC", "start it: devops-agent run")
    if beat.version != __version__:
        return warn(name, f"runs version {beat.version}, installed is {__version__}", "start it again")
    if name == "web" and proc.look_up(beat.pid) is None:
        return warn(name, f"pid {beat.pid} is not on this machine", "look at it where it runs")
    return ok(name, f"alive, pid {beat.pid}, last sign of life {age.total_seconds():.0f} s ago")


def _watchdog(rows: Rows, settings: Settings, *, now: datetime) -> Finding:
    if settings.watchdog.within is None:
        return ok("watchdog", "not expected; set watchdog.within to freeze actions when the alerting itself breaks")
    late = overdue(rows, settings, now=now)
    name = settings.watchdog.alertname
    if late is None:
        return ok("watchdog", f"{name} comes as expected")
    return fail("watchdog", f"{name} is overdue by {late.total_seconds():.0f} s: automatic actions are frozen",
                 "see that Prometheus and Alertmanager run and deliver here")  # fmt: skip


def _switches(rows: Rows, settings: Settings, *, now: datetime) -> Iterator[Finding]:
    switched = controls.flags(rows)
    for name in FLAGS:
        on = switched.get(name, getattr(settings.flags, name))
        where = "switched while running" if name in switched else "by configuration"
        says = f"{name} is {'on' if on else 'off'} ({where})"
        matters = not on and name != "PAM_INTEGRATION_ENABLED"
        yield warn("flags", says, f"devops-agent flags {name} on") if matters else ok("flags", says)
    for pause in controls.pauses(rows, now=now):
        what = pause.target or "everything"
        way_out = f"devops-agent resume {pause.target}".rstrip()
        yield warn("paused", f"{what}, by {pause.by}: {pause.reason}", way_out)


def _clock(rows: Rows, beats: Mapping[str, Heartbeat], *, now: datetime) -> Finding:
    newest = events.latest(rows, limit=1)
    last = max([*(beat.at for beat in beats.values()), *(event.at for event in newest)], default=now)
    if last > now + _AHEAD:
        ahead = (last - now).total_seconds()
        return fail("clock", f"the record is {ahead:.0f} s ahead of this machine's clock", "set the clock; run NTP")
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, not behind the record")


def _discovered(rows: Rows, settings: Settings) -> Iterator[Finding]:
    configured = {target.name for target in settings.targets}
    others = [one.target for one in targets.all_(rows) if one.target.name not in configured]
    default = settings.guard.managed_by_default
    managed = [one.name for one in others if one.via and (default if one.managed is None else one.managed)]
    if others:
        yield ok("discovered", f"{len(others)} more targets; may be acted on: {', '.join(managed) or 'none'}")


async def _page(settings: Settings) -> Finding:
    """Ask the web role itself."""
    listen = settings.web.listen
    if listen.endswith(":0"):
        return ok("page", f"{listen}: it chooses a port when it starts, so it was not asked")
    try:
        async with asyncio.timeout(_PATIENCE):
            if listen.startswith("unix:"):
                reader, writer = await asyncio.open_unix_connection(listen.removeprefix("unix:"))
            else:
                host, _, port = listen.rpartition(":")
                here = host.strip("[]") if host not in ("", "0.0.0.0") else "127.0.0.1"  # noqa: S104 — compared only
                reader, writer = await asyncio.open_connection(here, int(port))
            writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = (await reader.readline()).decode(errors="replace").strip()
            writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return fail("page", f"{listen} does not answer: {_said(error)}", "start it: devops-agent run")
    if " 200 " not in f"{answer} ":
        return fail("page", f"{listen} answers {answer or 'nothing'}", "look at the web role's log")
    return ok("page", f"{listen} answers")


async def _plugins(settings: Settings) -> list[Finding]:
    """Ask every plugin that a target or a setting speaks of whether it reaches what it acts on."""
    parts = build_parts(settings, guardian=NeverTouch(lambda: settings), clock=SystemClock())
    try:
        asked = [
            *(_inventory(parts, name) for name in parts.inventories),
            *(_seen(parts, one) for one in settings.targets),
        ]
        return [finding for finding in await asyncio.gather(*asked) if finding is not None]
    finally:
        await parts.close()


async def _inventory(parts: Parts, name: str) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await parts.inventories[name].discover()
    except (PluginError, TimeoutError) as error:
        return fail(name, _said(error), f"start it, or give this user the right to ask it (plugins.{name})")
    return ok(name, f"answers, {len(found)} container{'s' * (len(found) != 1)}")


async def _seen(parts: Parts, target: Target) -> Finding | None:
    if target.via not in parts.actuators:
        return None
    try:
        async with asyncio.timeout(_PATIENCE):
            state = await parts.actuators[target.via].observe(target)
    except (PluginError, TimeoutError) as error:
        says = f"{target.name}: {_said(error)}"
        return fail(target.via, says, f"see that {target.via} can be used by this user, or take the target out")
    word = "runs" if state.running else "is there, and does not run" if state.exists else "is not there"
    says = f"{target.name} ({target.ref or target.name}) {word}"
    return ok(target.via, says) if state.running else warn(target.via, says, "see whether its name is right")


def _opted_in(settings: Settings) -> Iterator[Finding]:
    acts = [target.name for target in settings.targets if target.managed and target.via]
    if acts:
        yield ok("opted in", f"may be acted on: {', '.join(acts)}")
    elif settings.guard.managed_by_default:
        yield ok("opted in", "guard.managed_by_default opts in everything that is found")
    else:
        way_out = "write `manage: true` at a target, or give a container the label devops-agent.enable=true"
        yield warn("opted in", "nothing that is written down may be acted on", way_out)


def _never_touched(settings: Settings) -> Iterator[Finding]:
    """Tell the whole set; what is there for one reason is told together."""
    things: dict[tuple[str, str], list[str]] = {}
    for thing in find(settings):
        kind, _, name = thing.what.partition(": ")
        things.setdefault((kind, thing.why), []).append(name)
    for (kind, why), names in things.items():
        yield ok("never touched", f"{kind}{': ' if any(names) else ''}{', '.join(names)} ({why})")


def _said(error: Exception) -> str:
    return str(error) or f"no answer within {_PATIENCE:g} s"
