"""What the faults do to the process itself and to its files; `tick` is called some twenty times a second."""

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .place import MB, Place
from .switches import On, Switches

TICK = 0.05
"""Seconds between two ticks."""
_ANSWER_FIRST = 0.05
"""Seconds that the answer to the request which switched a deadly fault on has to leave the process."""
_ROTATE = 4 * MB
_KB = 1_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What memory and disk are measured against."""

    memory_mb: float
    disk_mb: float


class Sabotage:
    """Carries out the faults that are on, one process long."""

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        limits: Limits,
        switches: Switches | None,
        start_delay: float = 0.0,
    ) -> None:
        self._name = name
        self._place = place
        self._limits = limits
        self._switches = switches
        self.close_port: Callable[[], None] = lambda: None
        """What closes the port; the server that can do it is made later."""
        self._leaked: list[bytes] = []
        self._last = self._started = time.monotonic()
        slow = self.on("slow_start")
        self._ready_at = self._started + max(start_delay, slow.number("seconds") if slow else 0.0)
        self._die_at = self._count_down_crash_loop()

    def on(self, fault: str) -> On | None:
        """Return the fault if it is on."""
        return self._switches.get(fault) if self._switches else None

    def seconds_to_ready(self) -> float:
        """How long it goes on starting; 0 once it is ready."""
        return max(0.0, self._ready_at - time.monotonic())

    def memory_percent(self) -> float:
        """Resident memory in percent of the memory limit."""
        return round(100 * _resident_bytes() / (self._limits.memory_mb * MB), 2)

    def disk_percent(self) -> float:
        """Size of cache and logs in percent of the disk quota."""
        return round(100 * self._place.used_bytes() / (self._limits.disk_mb * MB), 2)

    def tick(self) -> None:
        """Go on with every fault that is on."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        if self._switches is None:
            return
        self._switches.read_files()
        self._die_if_due(now)
        if (on := self.on("slow_start")) and on.from_start and now >= self._ready_at:
            self._switches.off("slow_start")
        if (on := self.on("port_lost")) and now - on.since > _ANSWER_FIRST:
            self.close_port()
        if (on := self.on("dependency_down")) and 0 < on.number("seconds") < now - on.since:
            self._switches.off("dependency_down")
        self._grow(elapsed)

    def _die_if_due(self, now: float) -> None:
        if now >= self._die_at:
            os._exit(1)
        for name in ("crash", "slow_start", "crash_loop"):
            on = self.on(name)
            if on and not on.from_start and now - on.since > _ANSWER_FIRST:
                os._exit(1)
        on = self.on("hang")
        if on and now - on.since > _ANSWER_FIRST and self._switches:
            self._switches.off("hang")  # so that whoever continues the process (SIGCONT) gets it back well
            os.kill(os.getpid(), signal.SIGSTOP)

    def _count_down_crash_loop(self) -> float:
        """Use up one start of the loop; the moment at which this process exits."""
        on = self.on("crash_loop")
        if not on or not self._switches:
            return float("inf")
        left = on.number("times")
        if left < 1:
            self._switches.off("crash_loop")
            return float("inf")
        self._switches.count_down("crash_loop", times=left - 1)
        return self._started + on.number("seconds")

    def _grow(self, elapsed: float) -> None:
        if on := self.on("memory_leak"):
            room = on.number("percent") / 100 * self._limits.memory_mb * MB - _resident_bytes()
            if (size := _portion(on, elapsed, room)) > 0:
                self._leaked.append(b"x" * size)
        for name, write in (("disk_fill", self._fill_cache), ("log_flood", self._flood_log)):
            if (on := self.on(name)) and self._switches:
                room = on.number("percent") / 100 * self._limits.disk_mb * MB - self._place.used_bytes()
                if (size := _portion(on, elapsed, room)) > 0:
                    write(on, size)
                else:
                    # Spent: else the disk would be full again as soon as somebody has cleaned up.
                    self._switches.off(name)

    def _fill_cache(self, on: On, size: int) -> None:
        file = self._place.cache / f"prices-{time.time_ns()}.tmp"
        noise = os.urandom(_KB)
        with file.open("wb") as filled:
            filled.writelines(noise for _ in range(size // _KB + 1))
        written = time.time() - 3600 * on.number("age_hours")
        os.utime(file, (written, written))

    def _flood_log(self, _: On, size: int) -> None:
        file = self._place.logs / f"{self._name}.log"
        line = f"{time.time():.3f} DEBUG {self._name} looked up a price it had looked up before\n"
        with file.open("a") as lines:
            lines.write(line * (size // len(line) + 1))
        if file.stat().st_size > _ROTATE:
            file.rename(file.with_name(f"{file.name}.{time.time_ns()}"))


def _portion(on: On, elapsed: float, room: float) -> int:
    """Bytes to add in this tick; 0 or less when full."""
    return int(min(on.number("mb_per_second") * MB * elapsed, room))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
