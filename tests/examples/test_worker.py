"""The demo worker, seen through its files as an operator sees it."""

import json
from typing import Any

import psutil
import pytest

from tests.examples.running import Running, Start, eventually

pytestmark = pytest.mark.slow


def heartbeat(start: Start) -> dict[str, Any]:
    file = start.state_dir / "crawler.heartbeat.json"
    beat: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return beat


def switch_on(start: Start, fault: str, text: str = "") -> None:
    (start.state_dir / "faults" / f"{fault}.json").write_text(text)


def beats(start: Start, worker: Running) -> bool:
    return heartbeat(start).get("pid") == worker.process.pid


def test_jobs_are_done_and_what_is_no_job_is_put_aside(start: Start) -> None:
    worker = start.worker()
    queue = start.state_dir / "queue"
    (queue / "a.json").write_text('{"timeframe": "1h"}')
    (queue / "b.json").write_text('{"timeframe": "2h"}')
    (queue / "c.json").write_text("[]")
    eventually(lambda: not list(queue.iterdir()) and heartbeat(start).get("jobs_done") == 1)
    assert json.loads((start.state_dir / "done" / "a.json").read_text())["timeframe"] == "1h"
    assert sorted(file.name for file in (start.state_dir / "failed").iterdir()) == ["b.json", "c.json"]
    assert heartbeat(start)["pid"] == worker.process.pid


def test_the_worker_ends_when_told_to(start: Start) -> None:
    worker = start.worker()
    worker.process.terminate()
    assert worker.exit_status() == 0


def test_a_crash_is_switched_on_by_a_file_and_gone_after_a_restart(start: Start) -> None:
    worker = start.worker("--faults")
    switch_on(start, "crash")
    assert worker.exit_status() == 1
    again = start.worker("--faults")
    eventually(lambda: beats(start, again))


def test_a_fault_that_a_restart_heals_is_not_waiting_for_the_next_start(start: Start) -> None:
    start.worker("--faults").end()
    switch_on(start, "crash")
    again = start.worker("--faults")
    eventually(lambda: beats(start, again))
    assert again.process.poll() is None


def test_a_hanging_worker_is_stopped_and_beats_no_more(start: Start) -> None:
    worker = start.worker("--faults")
    eventually(lambda: beats(start, worker))
    switch_on(start, "hang")
    eventually(lambda: psutil.Process(worker.process.pid).status() == psutil.STATUS_STOPPED)
    worker.end()
    again = start.worker("--faults")
    eventually(lambda: beats(start, again))


def test_a_slow_start_beats_only_when_it_is_over(start: Start) -> None:
    worker = start.worker("--faults")
    switch_on(start, "slow_start", '{"seconds": 0.5}')
    assert worker.exit_status() == 1
    again = start.worker("--faults")
    assert not beats(start, again)
    eventually(lambda: beats(start, again))


def test_a_switch_file_that_makes_no_sense_is_told_and_removed(start: Start) -> None:
    worker = start.worker("--faults")
    for fault, text in {"latency": "", "crash": "[1]", "hang": "{"}.items():
        switch_on(start, fault, text)
    eventually(lambda: not list((start.state_dir / "faults").iterdir()))
    worker.process.terminate()
    _, told = worker.process.communicate(timeout=10)
    assert "no fault 'latency' here; known: crash, hang," in told
    assert "its file has to be empty or a JSON object" in told
    assert worker.process.returncode == 0
