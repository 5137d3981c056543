"""How fast it starts: the command line's help, and `run` until web answers and the agent watches."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, median
from tests.real.running import site

_SETTINGS = {"targets": [{"name": "web-shop", "url": "http://127.0.0.1:9"}]}


def measure(*, quick: bool) -> list[Row]:
    """Return the medians of several starts."""
    runs = 2 if quick else 10
    command = Path(sys.executable).with_name("devops-agent")
    told = [_seconds([str(command), "--help"]) for _ in range(runs)]
    ready = [asyncio.run(_ready()) for _ in range(runs)]
    return [
        Row(what="devops-agent --help", value=median(told), unit="s", below=0.2),
        Row(what="run: until web answers and the agent watches", value=median(ready), unit="s", below=1.5),
    ]


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


async def _ready() -> float:
    """Return the seconds from the start of the parent until both roles work."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with site(Path(folder), _SETTINGS) as made:
            began = time.perf_counter()
            await made.start()
            while (await _status(made.url)) != 200:  # noqa: ASYNC110 — another process is waited for
                await asyncio.sleep(0.01)
            return time.perf_counter() - began


async def _status(url: str) -> int:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    except OSError:
        return 0
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    said = await reader.read(64)
    writer.close()
    return int(said.split(b" ", 2)[1]) if said else 0
