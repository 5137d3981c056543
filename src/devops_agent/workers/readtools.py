"""What a model may ask to see: the sources that the investigator has, read through the same quarantine.

No text of the model reaches a source: it names a target that is known and a number of minutes, and patterns are
searched here, as plain text. So it can neither break out of a query nor make one that is dear. What it is shown is kept
as evidence of the incident, and can then be cited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from devops_agent.model.reasoning import ReadTool
from devops_agent.ports import PluginError
from devops_agent.workers.gather import Heard, Sources, Windows, gather
from devops_agent.workers.question import piece_of

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.analysis.quarantine import Quarantine
    from devops_agent.model.evidence import Evidence
    from devops_agent.model.sighting import Sighting
    from devops_agent.model.target import Target
    from devops_agent.model.telemetry import Lines

_PIECES = 15
_INCIDENTS = 5
_MINUTES = 60
_PATTERN = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What can be read, and how it is handed over."""

    targets: Mapping[str, Target]
    """By name; others cannot be asked about."""
    sources: Sources
    windows: Windows
    sightings: Mapping[str, Sighting]
    similar: Callable[[str], Awaitable[Sequence[str]]] | None
    """From a text to what earlier incidents like it say, most alike first; None: nothing is remembered."""
    keep: Callable[[Sequence[Evidence]], Awaitable[Sequence[Evidence]]]
    """Keeps evidence with the incident and gives it ids."""
    quarantine: Quarantine
    opened_at: datetime
    now: datetime

    def tools(self) -> list[ReadTool]:
        """Return the tools whose sources there are."""
        tools = [
            self._tool("states", "How a target was when it was last polled.", self._states),
        ]
        if self.sources.metrics is not None:
            says = "A target's standard readings and series, each with its change; `series` picks by name."
            tools.append(self._tool("metrics", says, self._metrics, series=_TEXT))
        if self.sources.logs:
            says = "Templates of a target's log lines in the last minutes; `pattern` is plain text that they hold."
            tools.append(self._tool("logs", says, self._logs, pattern=_TEXT, minutes=_MINUTES_PARAMETER))
        if self.sources.changes:
            tools.append(self._tool("changes", "What was changed on a target in the last hours.", self._changes))
        if self.similar is not None:
            tools.append(
                ReadTool(
                    name="similar_incidents",
                    says="What earlier incidents like a description say, and what helped. They cannot be cited.",
                    parameters={"type": "object", "properties": {"text": _TEXT}, "required": ["text"]},
                    call=self._quarantined(self._similar),
                )
            )
        return tools

    def _tool(
        self, name: str, says: str, call: Callable[[dict[str, Any]], Awaitable[str]], **more: dict[str, Any]
    ) -> ReadTool:
        parameters = {
            "type": "object",
            "properties": {"target": {"type": "string", "maxLength": 200}, **more},
            "required": ["target"],
            "additionalProperties": False,
        }
        return ReadTool(name=name, says=says, parameters=parameters, call=self._quarantined(call))

    def _quarantined(
        self, call: Callable[[dict[str, Any]], Awaitable[str]]
    ) -> Callable[[dict[str, Any]], Awaitable[str]]:
        """Let errors through masked only: a source's error may quote anything."""

        async def quarantined(arguments: dict[str, Any]) -> str:
            try:
                return await call(arguments)
            except PluginError as error:
                says = self.quarantine.mask(str(error), limit=200)
                raise PluginError(says, retryable=error.retryable) from error

        return quarantined

    async def _states(self, arguments: dict[str, Any]) -> str:
        target = self._target(arguments)
        return await self._shown(Heard(component=target.name), sighting=self.sightings.get(target.name))

    async def _metrics(self, arguments: dict[str, Any]) -> str:
        heard = await self._ask(arguments, Sources(metrics=self.sources.metrics))
        wanted = str(arguments.get("series", "")).lower()
        heard.figures = [
            figures.with_(series=tuple(one for one in figures.series if wanted in one.name.lower()))
            for figures in heard.figures
        ]
        return await self._shown(heard)

    async def _logs(self, arguments: dict[str, Any]) -> str:
        minutes = timedelta(minutes=int(arguments.get("minutes", 15)))
        heard = await self._ask(arguments, Sources(logs=self.sources.logs), minutes=minutes)
        pattern = str(arguments.get("pattern", "")).lower()
        heard.lines, heard.baseline = _holding(heard.lines, pattern), _holding(heard.baseline, pattern)
        return await self._shown(heard)

    async def _changes(self, arguments: dict[str, Any]) -> str:
        return await self._shown(await self._ask(arguments, Sources(changes=self.sources.changes)))

    async def _similar(self, arguments: dict[str, Any]) -> str:
        found = await self.similar(self.quarantine.unmask(arguments["text"])) if self.similar is not None else ()
        return self.quarantine.block("data", list(found[:_INCIDENTS]))

    def _target(self, arguments: dict[str, Any]) -> Target:
        masked = {self.quarantine.mask(name): target for name, target in self.targets.items()}
        found = masked.get(arguments["target"])
        if found is None:
            raise PluginError("there is no target of that name; `targets` lists those that there are", retryable=False)
        return found

    async def _ask(self, arguments: dict[str, Any], sources: Sources, *, minutes: timedelta | None = None) -> Heard:
        windows = self.windows
        if minutes is not None:
            begin = windows.end - minutes
            windows = windows.with_(begin=begin, baseline_from=min(windows.baseline_from, begin - minutes))
        (heard,) = await gather((self._target(arguments),), sources=sources, windows=windows)
        if heard.missing and not (heard.figures or heard.lines or heard.changes):
            raise PluginError("; ".join(heard.missing))
        return heard

    async def _shown(self, heard: Heard, *, sighting: Sighting | None = None) -> str:
        from devops_agent.workers.exhibits import exhibits, most_telling  # loads what mines logs and weighs series

        found = exhibits(heard, sighting=sighting, windows=self.windows, now=self.now)
        kept = await self.keep(most_telling(found, limit=_PIECES))
        if not kept:
            return "nothing is known about that"
        return self.quarantine.block("data", [piece_of(piece, opened_at=self.opened_at) for piece in kept])


_TEXT: dict[str, Any] = {"type": "string", "maxLength": _PATTERN}
_MINUTES_PARAMETER: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": _MINUTES}


def _holding(lines: Lines | None, pattern: str) -> Lines | None:
    if lines is None or not pattern:
        return lines
    return lines.with_(lines=tuple(line for line in lines.lines if pattern in line.text.lower()))
