"""The worker: no port, it works off a queue of files and shows by a heartbeat file that it lives.

A job is `queue/NAME.json` such as `{"timeframe": "1h"}`, its answer `done/NAME.json`; what is no job goes to `failed/`.
"""

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from .place import Place, write_whole
from .predict import Timeframe, predict
from .sabotage import TICK, Sabotage

_HEARTBEAT = 0.5
"""Seconds between two heartbeats."""


def work(name: str, *, place: Place, sabotage: Sabotage, stop: threading.Event) -> None:
    """Work off the queue until `stop` is set; `NAME.heartbeat.json` tells when it last did and how much it has done."""
    jobs_done, last_beat = 0, float("-inf")
    while not stop.is_set():
        sabotage.tick()
        if not sabotage.seconds_to_ready():
            jobs_done += _work_off(place)
            if time.monotonic() - last_beat >= _HEARTBEAT:
                last_beat = time.monotonic()
                _beat(place.root / f"{name}.heartbeat.json", jobs_done=jobs_done, sabotage=sabotage)
        stop.wait(TICK)


def _work_off(place: Place) -> int:
    done = 0
    for job in sorted(place.queue.glob("[!.]*.json")):
        try:
            answer = _answer(json.loads(job.read_text()))
        except (KeyError, TypeError, ValueError):
            job.replace(place.failed / job.name)
            continue
        write_whole(place.done / job.name, json.dumps(answer))
        job.unlink(missing_ok=True)
        done += 1
    return done


def _answer(job: dict[str, str]) -> dict[str, object]:
    timeframe, symbol = job["timeframe"], job.get("symbol", "BTC-USD")
    for allowed in get_args(Timeframe):
        if timeframe == allowed:
            return {"symbol": symbol, "timeframe": timeframe, **predict(symbol, allowed)._asdict()}
    raise ValueError(f"cannot predict for timeframe {timeframe!r}; allowed: {', '.join(get_args(Timeframe))}")


def _beat(file: Path, *, jobs_done: int, sabotage: Sabotage) -> None:
    facts = {
        "at": datetime.now(UTC).isoformat(),
        "pid": os.getpid(),
        "jobs_done": jobs_done,
        "memory_percent": sabotage.memory_percent(),
        "disk_percent": sabotage.disk_percent(),
    }
    write_whole(file, json.dumps(facts))
