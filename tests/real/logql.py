"""A real LogQL server for tests: qryn on chdb, as `scripts/logql.sh` installs them."""

import json
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devops_agent.model.telemetry import LogLine
from devops_agent.plugins.loki.client import nanoseconds
from tests.real.parts import Missing, Program, answers, find, free_port

PLACE = Path(__file__).resolve().parents[2] / "build" / "logql"


@dataclass(kw_only=True)
class LogQL:
    """One server, with nothing in it at first."""

    folder: Path
    url: str
    programs: list[Program]

    @classmethod
    def start(cls) -> "LogQL":
        """Start the store and the server on it.

        Raises:
            Missing: they are not installed, or do not start.

        """
        if not (PLACE / "installed").exists():
            raise Missing("the LogQL server is not installed; `make real-parts` installs it")
        made = cls(folder=Path(tempfile.mkdtemp(prefix="logql-")), url=f"http://127.0.0.1:{free_port()}", programs=[])
        try:
            made._serve(made._store())
        except Missing:
            made.stop()
            raise
        return made

    def push(self, labels: Mapping[str, str], lines: Iterable[LogLine]) -> None:
        """Write lines, as an agent such as Promtail does."""
        values = [[str(nanoseconds(line.at)), line.text] for line in lines]
        body = json.dumps({"streams": [{"stream": dict(labels), "values": values}]}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.url}/loki/api/v1/push", data=body, headers=headers)  # noqa: S310 — the URL is our own
        urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310 — the URL is our own

    def stop(self) -> None:
        """End both programs and delete their folder."""
        for program in reversed(self.programs):
            program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _store(self) -> int:
        """Start the store and return its port."""
        script = Path(__file__).with_name("clickhouse.py")
        argv = (str(PLACE / "venv" / "bin" / "python"), "-P", str(script), str(self.folder / "data"))
        store = Program.start("clickhouse", argv, folder=self.folder)
        self.programs.append(store)

        def said() -> str:
            return store.log.read_text(errors="replace").partition("\n")[0]

        store.wait_until(lambda: said().isdecimal())
        return int(said())

    def _serve(self, store: int) -> None:
        url = self.url.removeprefix("http://")
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "CLICKHOUSE_SERVER": "127.0.0.1",
            "CLICKHOUSE_PORT": str(store),
            "CLICKHOUSE_AUTH": "default:",
            "CLICKHOUSE_DB": "logs",
            # Else lines that tests write into the past are thrown away.
            "SAMPLES_DAYS": "3650",
            "LABELS_DAYS": "3650",
            "HOST": url.partition(":")[0],
            "PORT": url.partition(":")[2],
        }
        argv = (find("node"), str(PLACE / "node_modules" / "qryn" / "qryn_node.js"))
        server = Program.start("qryn", argv, folder=self.folder, env=env)
        self.programs.append(server)
        server.wait_until(answers(f"{self.url}/ready"))
