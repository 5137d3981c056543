"""Starts the demo service and its worker as real processes and ends each by its own id."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "market_predictor"


class Running:
    """A started demo process, asked as a client asks it."""

    def __init__(self, *arguments: str, folder: Path = FOLDER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        self.said = self.process.stdout.readline() if self.process.stdout else ""
        self.url = self.said.split()[-1] if " listens on " in self.said else ""

    @property
    def port(self) -> str:
        return str(urlsplit(self.url).port)

    def ask(self, method: str, path: str, body: object = None, *, timeout: float = 10) -> tuple[int, Any]:
        """Status and answer: parsed if it says that it is JSON, else text."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def get(self, path: str, *, timeout: float = 10) -> tuple[int, Any]:
        return self.ask("GET", path, timeout=timeout)

    def predict(self, timeframe: str = "1h", *, timeout: float = 10) -> tuple[int, Any]:
        return self.ask("POST", "/api/v1/predict", {"timeframe": timeframe}, timeout=timeout)

    def break_by(self, fault: str, **params: float | str) -> None:
        assert self.ask("POST", f"/faults/{fault}", params)[0] == 202

    def reading(self, name: str) -> float:
        return float(self.get("/health/resources")[1][name])

    def exit_status(self) -> int:
        return self.process.wait(timeout=10)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Start:
    """Starts processes that share one state folder, so that what survives a restart does."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._started: list[Running] = []

    def service(self, *arguments: str, port: str = "0", folder: Path = FOLDER) -> Running:
        return self._start("--port", port, *arguments, folder=folder)

    def worker(self, *arguments: str) -> Running:
        return self._start("worker", "--name", "crawler", *arguments)

    def again(self, running: Running, *arguments: str) -> Running:
        """Kill it and start it anew."""
        running.end()
        return self.service("--faults", *arguments)

    def _start(self, *arguments: str, folder: Path = FOLDER) -> Running:
        running = Running(*arguments, "--state-dir", str(self.state_dir), folder=folder)
        self._started.append(running)
        return running

    def end_all(self) -> None:
        for running in self._started:
            running.end()


def eventually(holds: Callable[[], object], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {seconds:g} s")
        time.sleep(0.02)
