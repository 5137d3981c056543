"""Calls of the command line on a site of its own: a folder with agent.yaml and a store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from click.testing import CliRunner, Result

from devops_agent.cli.root import root
from devops_agent.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from devops_agent.store.rows import Rows

    T = TypeVar("T")

CONFIG = """\
web: {listen: "127.0.0.1:0"}
plugins: {docker: {socket: ./no-docker.sock}}
targets:
  - {name: checkout, docker: checkout-1, manage: true, depends_on: db}
  - {name: db, tcp: "127.0.0.1:1"}
  - {name: worker, process: {name: worker, command: [sleep, "1"]}, manage: true}
"""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls commands about one site."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "agent.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "devops-agent-state" / "agent.db"

    def call(self, *words: str, code: int = 0, stdin: str = "") -> Result:
        """Call a command and see that it ends with `code`, without a traceback."""
        result = CliRunner().invoke(root, ["--config", str(self.config), *words], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def says(self, *words: str, code: int = 0) -> str:
        """Return what a command writes to standard output."""
        return self.call(*words, code=code).stdout

    def refuses(self, *words: str, code: int) -> str:
        """Return what a command that fails writes to standard error."""
        return self.call(*words, code=code).stderr

    def document(self, *words: str, code: int = 0) -> Any:  # noqa: ANN401 — JSON
        """Return the JSON document that a command prints, and see that there is nothing else."""
        return json.loads(self.call(*words, "--json", code=code).stdout)

    def rows(self, work: Callable[[Rows], T]) -> T:
        """Write to, or read from, the site's store."""

        async def do() -> T:
            async with await open_store(f"sqlite:///{self.database}") as store:
                return await store.write(work)

        return asyncio.run(do())
