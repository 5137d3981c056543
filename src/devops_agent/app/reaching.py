"""Whether what is asked and told over the network can be reached: metrics, logs, the model, channels; sends nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devops_agent.app.channels import Channels
from devops_agent.app.finding import Finding, fail, ok
from devops_agent.app.senses import build_senses
from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.kit.tools import SettingsError
from devops_agent.ports import NotifyError, PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devops_agent.config.settings import Settings
    from devops_agent.model.contact import Channel
    from devops_agent.ports import Clock

_PATIENCE = 5.0
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_HOMES = {"slack": "https://slack.com", "twilio": "https://api.twilio.com"}
"""Plugin → where it sends when its settings do not say."""

Place = tuple[str, int]
"""Host and port."""


async def reach(settings: Settings, *, clock: Clock) -> list[Finding]:
    """Return what was found, one finding for each source, the model and each channel."""
    asked = [
        _metrics(settings, clock=clock),
        *(_plugin(name, str(values["url"])) for name, values in settings.plugins.items() if _asked(name, values)),
        _model(settings),
    ]
    found = [finding for finding in await asyncio.gather(*asked) if finding is not None]
    return [*found, *await _channels(settings, clock=clock)]


def _asked(name: str, values: Mapping[str, object]) -> bool:
    return name != "prometheus" and bool(values.get("url"))


async def _metrics(settings: Settings, *, clock: Clock) -> Finding | None:
    """Have Prometheus answer a query, so that a wrong token shows too."""
    if "prometheus" not in settings.plugins:
        return None
    way_out = "start it, or mend plugins.prometheus in agent.yaml"
    try:
        senses = build_senses(settings, clock=clock)
    except (SettingsError, PluginError) as error:
        return fail("prometheus", str(error), way_out)
    try:
        if senses.metrics is None:
            return None
        async with asyncio.timeout(_PATIENCE):
            await senses.metrics.query("vector(1)", at=clock.now())
    except (PluginError, TimeoutError) as error:
        return fail("prometheus", _said(error), way_out)
    finally:
        await senses.close()
    return ok("prometheus", "answers queries")


async def _plugin(name: str, url: str) -> Finding:
    place = _place(url)
    if place is None:
        return fail(name, f"plugins.{name}.url names no host", "write http://HOST:PORT")
    return await _connected(name, "", place, f"start it, or mend plugins.{name}.url in agent.yaml")


async def _model(settings: Settings) -> Finding | None:
    model = settings.investigation.model
    if not model.name:
        return None
    place = _place(model.base_url) if model.base_url else None
    if place is None:
        return ok("model", f"{model.name} is asked at its maker's; that was not tried")
    return await _connected("model", f"{model.name}: ", place, "start it, or mend investigation.model.base_url")


async def _channels(settings: Settings, *, clock: Clock) -> list[Finding]:
    """Build every channel, which shows wrong settings and missing libraries, and connect to where it sends."""
    channels = Channels(settings, clock=clock)
    try:
        return list(await asyncio.gather(*(_channel(channels, one) for one in settings.notify.channels)))
    finally:
        await channels.close()


async def _channel(channels: Channels, channel: Channel) -> Finding:
    name = f"{channel.name} ({channel.via}): "
    try:
        channels.of(channel.name)
        place = _place_of(channel)
    except (NotifyError, SecretError) as error:
        return fail("channel", f"{name}{error}", f"mend notify.channels, {channel.name}, in agent.yaml")
    if place is None:
        return ok("channel", f"{name}built; try it with `devops-agent notify test {channel.name}`")
    return await _connected("channel", name, place, f"see that this machine may reach {place[0]}, port {place[1]}")


def _place_of(channel: Channel) -> Place | None:
    """Return where a channel sends; None when only its library knows.

    Raises:
        SecretError: its address is in a file that cannot be read.

    """
    options = channel.options
    if host := options.get("host"):
        security = str(options.get("security", "starttls"))
        return str(host), int(options.get("port") or _MAIL_PORTS.get(security, _MAIL_PORTS["starttls"]))
    url = str(options.get("url") or "")
    if not url and options.get("url_file"):
        url = read_secret(str(options["url_file"]))
    return _place(url or _HOMES.get(channel.via, ""))


def _place(url: str) -> Place | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


async def _connected(what: str, name: str, place: Place, way_out: str) -> Finding:
    host, port = place
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return fail(what, f"{name}cannot reach {host}, port {port}: {_said(error)}", way_out)
    writer.close()
    return ok(what, f"{name}{host}, port {port}, can be reached")


def _said(error: Exception) -> str:
    return str(error) or f"no answer within {_PATIENCE:g} s"
