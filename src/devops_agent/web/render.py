"""Turns values into pages: templates, and how times and figures are written for people."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from devops_agent.kit.http import bare
from devops_agent.model.duration import write_duration

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

    from devops_agent.model.sighting import Sighting

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_UNITS = (("_percent", " %"), ("_ms", " ms"), ("_seconds", " s"), ("_days", " days"))
_BYTES = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1_000
_LOWER_IS_WORSE = frozenset({"certificate_days"})


def page(template: str, *, code: int = 200, **values: object) -> HTMLResponse:
    """Return a page made from the template `template`."""
    return HTMLResponse(_templates().get_template(f"{template}.html").render(values), status_code=code)


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("devops_agent.web", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        clock=clock,
        ago=ago,
        spell=spell,
        reading=reading,
        name=reading_name,
        words=words,
        coded=coded,
        arguments=arguments,
        lasting=write_duration,
        limit=limit,
        bare=bare,
    )
    environment.globals["asset"] = asset
    return environment


@cache
def asset(name: str) -> str:
    """Return the address of a file of the page, which changes when the file does."""
    held = (resources.files("devops_agent.web") / "static" / name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(held).hexdigest()[:12]}"


def clock(moment: datetime | None) -> Markup:
    """Write a moment as time of day, with the whole date to be seen on demand."""
    from markupsafe import Markup

    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        utc.isoformat(), f"{utc:%A, %d %B %Y, %H:%M:%S} UTC", f"{utc:%H:%M:%S}"
    )


def ago(moment: datetime | None, now: datetime) -> Markup:
    """Write how long ago a moment was; the page's script keeps it right."""
    from markupsafe import Markup

    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    return Markup('<time class="ago" datetime="{}" title="{}">{}</time>').format(
        utc.isoformat(), f"{utc:%A, %d %B %Y, %H:%M:%S} UTC", spell((now - utc).total_seconds())
    )


def spell(seconds: float) -> str:
    """Write a span in at most two units."""
    whole = max(0, round(seconds))
    if 0 < seconds < 10:  # noqa: PLR2004 — below ten seconds the tenths tell something
        return f"{seconds:.1f} s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def limit(one: Sighting, name: str) -> float:
    """Return above which value a reading of a target is a problem; infinite when there is no such limit."""
    given = getattr(one.target.thresholds, name, None)
    return given if isinstance(given, int | float) and name not in _LOWER_IS_WORSE else math.inf


def reading(value: float, name: str) -> str:
    """Write a reading with its unit, which its name ends with."""
    if name.endswith("_bytes"):
        for unit in _BYTES:
            if abs(value) < _THOUSAND or unit == _BYTES[-1]:
                return f"{value:.4g} {unit}"
            value /= _THOUSAND
    unit = next((unit for ending, unit in _UNITS if name.endswith(ending)), "")
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004 — three digits say enough
    return f"{number}{unit}"


def reading_name(name: str) -> str:
    """Write a reading's name without its unit."""
    for ending, _ in _UNITS:
        name = name.removesuffix(ending)
    return words(name)


def words(name: object) -> str:
    """Write a word of the program for people."""
    return str(name).replace("_", " ")


def coded(text: object) -> Markup:
    """Write a text with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # one of them stands alone
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def arguments(given: dict[str, Any]) -> str:
    """Write a step's arguments."""
    return ", ".join(
        f"{name}: {', '.join(value) if isinstance(value, tuple) else value}" for name, value in given.items()
    )
