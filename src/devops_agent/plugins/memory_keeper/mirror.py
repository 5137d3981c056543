"""Mirrors memories to an MCP server that has the tool `context_batch_save`."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.knowledge import Memory
from devops_agent.plugins.memory_keeper.config import Config
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from mcp import Client, StdioServerParameters

_TOOL = "context_batch_save"
_BATCH = 50
"""The server takes a hundred."""
_KEY = 200
"""Characters of a key; the server takes 255, and no spaces."""
_STRANGE = re.compile(r"[^A-Za-z0-9_.:-]")
_CATEGORIES = {"incident": "note", "plan": "decision", "action": "progress", "metrics": "note"}
_LAST_WORDS = 300


class _Answer(msgspec.Struct):
    """What the server says of a batch."""

    succeeded: int
    errors: list[dict[str, object]] = []


class MemoryKeeper:
    """Starts the server, hands memories over, and ends it."""

    def __init__(self, config: Config, *, folder: Path) -> None:
        self._config = config
        self._folder = folder

    async def save(self, memories: Sequence[Memory]) -> None:
        """Keep these; one of a key that is there already is updated.

        Raises:
            PluginError: the server cannot be started, does not answer in time, or refuses one.

        """
        from mcp.shared.exceptions import MCPError

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self._folder / "server.log"
        with log.open("w", encoding="utf-8", errors="replace") as said:
            try:
                async with asyncio.timeout(self._config.timeout):
                    await self._save(memories, said)
            except TimeoutError as error:
                raise self._error(f"it took over {self._config.timeout:g} s", log) from error
            except (FileNotFoundError, PermissionError) as error:
                raise self._error(f"{error.strerror} ({error.filename})", log, retryable=False) from error
            except (OSError, MCPError) as error:
                raise self._error(str(error), log) from error
            except ExceptionGroup as group:
                refusal, _ = group.split(PluginError)
                raise (_first(refusal) if refusal else self._error(str(_first(group)), log)) from group

    async def _save(self, memories: Sequence[Memory], said: TextIO) -> None:
        from mcp import Client
        from mcp.client.stdio import stdio_client

        server = stdio_client(self._server(), errlog=said)
        async with Client(server, read_timeout_seconds=self._config.timeout) as client:
            for start in range(0, len(memories), _BATCH):
                await self._save_batch(client, memories[start : start + _BATCH])

    def _server(self) -> StdioServerParameters:
        from mcp import StdioServerParameters

        env = {"DATA_DIR": str(self._folder), **self._config.env}
        return StdioServerParameters(
            command=self._config.command, args=list(self._config.args), env=env, cwd=self._folder
        )

    async def _save_batch(self, client: Client, memories: Sequence[Memory]) -> None:
        items = [self._item(memory) for memory in memories]
        result = await client.call_tool(_TOOL, {"items": items, "updateExisting": True})
        text = next((part.text for part in result.content if part.type == "text"), "")
        try:
            answer = msgspec.json.decode(text, type=_Answer)
        except msgspec.MsgspecError as error:
            raise PluginError(f"cannot mirror: {self._config.command} answers {text[:_LAST_WORDS]!r}") from error
        if result.is_error or answer.succeeded < len(items):
            says = "; ".join(f"{one.get('key')}: {one.get('error')}" for one in answer.errors[:3])
            raise PluginError(f"cannot mirror: {self._config.command} refuses {says or 'some'}", retryable=False)

    def _item(self, memory: Memory) -> Mapping[str, str]:
        category = "error" if memory.failed else _CATEGORIES.get(memory.sort, "note")
        return {
            "key": key_of(memory.key),
            "value": memory.says,
            "category": category,
            "priority": "high" if memory.urgent else "normal",
            "channel": self._config.channel,
        }

    def _error(self, says: str, log: Path, *, retryable: bool = True) -> PluginError:
        """Return what went wrong, with what the server said itself: the line that names an error, else its last."""
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        words = next((line for line in lines if "rror:" in line), lines[-1] if lines else "").strip()[:_LAST_WORDS]
        more = f"; it said: {words}" if words else ""
        return PluginError(
            f"cannot mirror with {self._config.command!r} (plugins.memory_keeper.command): {says}{more}",
            retryable=retryable,
        )


def build(config: Mapping[str, object], *, tools: Tools) -> MemoryKeeper:
    """Return the mirror.

    Raises:
        SettingsError: the settings do not fit.

    """
    given = settings(Config, config, where="plugins.memory_keeper")
    return MemoryKeeper(given, folder=tools.state_dir / "memory_keeper")


def key_of(key: str) -> str:
    """Return a key that the server takes: the same for the same, another for another."""
    plain = _STRANGE.sub("_", key)
    if plain == key and len(key) <= _KEY:
        return key
    return f"{plain[: _KEY - 17]}.{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _first(error: BaseException) -> BaseException:
    """Return the first error of nested groups: the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
