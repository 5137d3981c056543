"""The health endpoints that the agent polls, for any Starlette or FastAPI application.

    health.attach(app, "checkout", version="1.2", checks={"database": ping_database})

`GET /health` (200 healthy, 503 unhealthy), `GET /status`, `GET /health/resources` (this process and its container) and
`GET /health/system` (the host). Readings are top-level numbers in JSON; what cannot be read is
null, never an error. Needs Starlette only; without psutil some readings are null.
"""

import asyncio
import inspect
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    import psutil

T = TypeVar("T")

Check = Callable[[], object]
"""Returns or resolves to False, or raises, when something is wrong. A plain function runs in a thread and may block."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What seldom has to be said."""

    timeout: float = 2.0
    """Seconds after which a check counts as failing and a reading as null."""
    slow_after: float = 0.5
    """Seconds after which `/status` calls a check that passed slow."""
    disk_path: str = "/"
    """A file or folder on the disk that `disk_percent` is about."""
    readings: Mapping[str, Callable[[], float | None]] = field(default_factory=dict)
    """Readings that `/health/resources` shows too, or instead of its own of that name; run in a thread."""
    prefix: str = ""
    """What every path starts with, such as `/internal`."""


DEFAULTS = Options()


def attach(
    app: Starlette,
    service: str,
    *,
    version: str = "",
    checks: Mapping[str, Check] | None = None,
    dependencies: Mapping[str, str] | None = None,
    options: Options = DEFAULTS,
) -> None:
    """Give `app` (Starlette or FastAPI) the four endpoints; the parameters are those of `routes`.

    Raises:
        ValueError: the application has one of the paths already.

    """
    added = routes(service, version=version, checks=checks, dependencies=dependencies, options=options)
    taken = {getattr(route, "path", "") for route in app.router.routes}
    for route in added:
        if route.path in taken:
            raise ValueError(
                f"cannot attach {route.path}: the application has that path already; "
                "remove its own or set another prefix (Options.prefix)",
            )
    # In front, because a page or folder mounted at / would answer for everything behind it.
    app.router.routes[:0] = added


def routes(
    service: str,
    *,
    version: str = "",
    checks: Mapping[str, Check] | None = None,
    dependencies: Mapping[str, str] | None = None,
    options: Options = DEFAULTS,
) -> list[Route]:
    """Make the four endpoints as routes.

    Args:
        service: the name under which it reports.
        version: of the service.
        checks: name → what has to work; all run at once on every `/health` and `/status`.
        dependencies: name → address of what it needs; one with the name of a check shows that check's state.
        options: time limits, disk, own readings, prefix.

    """
    endpoints = _Endpoints(
        about={"service": service, "version": version},
        checks={name: _Shared(check) for name, check in (checks or {}).items()},
        dependencies=dict(dependencies or {}),
        options=options,
    )
    paths = {
        "/health": endpoints.health,
        "/status": endpoints.status,
        "/health/resources": endpoints.resources,
        "/health/system": endpoints.system,
    }
    return [Route(options.prefix + path, answer, methods=["GET"]) for path, answer in paths.items()]


class _Shared:
    """A call that may hang: one at a time, whoever asks meanwhile waits for the same answer."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._running: asyncio.Task[object] | None = None
        self._in_thread = False

    async def result(self, *, timeout: float) -> object:
        """Return what the call returns or raise what it raises; TimeoutError after `timeout` seconds."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        running = self._running
        await asyncio.wait({running}, timeout=timeout)
        if not running.done() and not self._in_thread:
            running.cancel()
        # A thread cannot be ended: it stays the one call, so that a hanging check costs one thread and not one a poll.
        if not running.done() or running.cancelled():
            raise TimeoutError(f"no answer within {timeout:g} s")
        return running.result()

    async def _run(self) -> object:
        if inspect.iscoroutinefunction(self._call):
            answer: object = self._call()
        else:
            self._in_thread = True
            try:
                answer = await asyncio.to_thread(self._call)
            finally:
                self._in_thread = False
        return await answer if inspect.isawaitable(answer) else answer


class _Seen(NamedTuple):
    state: str
    latency_ms: float
    message: str


async def _look(check: _Shared, *, options: Options) -> _Seen:
    begun = time.monotonic()
    message = ""
    try:
        if await check.result(timeout=options.timeout) is False:
            message = "the check returned False"
    except Exception as error:  # noqa: BLE001 — a check is the application's code and may raise anything
        message = _in_one_line(error)
    took = time.monotonic() - begun
    state = "failing" if message else "slow" if took > options.slow_after else "ok"
    return _Seen(state, round(took * 1000, 1), message)


def _in_one_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0][:200]
    # Database drivers put their address into the message, with the password.
    return re.sub(r"://[^/@\s]*@", "://***@", first) or type(error).__name__


class _Endpoints:
    """The four answers of one service."""

    def __init__(
        self,
        *,
        about: dict[str, str],
        checks: dict[str, _Shared],
        dependencies: dict[str, str],
        options: Options,
    ) -> None:
        self._about = about
        self._checks = checks
        self._dependencies = dependencies
        self._options = options
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._process = _Shared(_ProcessReadings().take)
        self._host = _Shared(_host_readings)
        self._disk = _Shared(lambda: _or_none(lambda: _disk_percent(options.disk_path)))
        self._own = {name: _Shared(partial(_or_none, reading)) for name, reading in options.readings.items()}

    async def health(self, _: Request) -> JSONResponse:
        seen = await self._look_at_all()
        failing = [{"name": name, "message": one.message} for name, one in seen.items() if one.state == "failing"]
        body: dict[str, object] = {"status": "unhealthy" if failing else "healthy", **self._about, **self._uptime()}
        if failing:
            body["failing"] = failing
        return _answer(body, status=503 if failing else 200)

    async def status(self, _: Request) -> JSONResponse:
        seen = await self._look_at_all()
        failing = any(one.state == "failing" for one in seen.values())
        return _answer(
            {
                "status": "unhealthy" if failing else "healthy",
                **self._about,
                "started_at": self._started_at.isoformat(),
                **self._uptime(),
                "checks": {name: one._asdict() for name, one in seen.items()},
                "dependencies": {
                    name: {"address": address, "state": seen[name].state if name in seen else None}
                    for name, address in self._dependencies.items()
                },
            },
        )

    async def resources(self, _: Request) -> JSONResponse:
        process, disk, *own = await asyncio.gather(
            *(self._read(one) for one in (self._process, self._disk, *self._own.values()))
        )
        return _answer(
            _named(_PROCESS_READINGS, process) | {"disk_percent": disk, **dict(zip(self._own, own, strict=True))}
        )

    async def system(self, _: Request) -> JSONResponse:
        host, disk = await asyncio.gather(self._read(self._host), self._read(self._disk))
        return _answer(_named(_HOST_READINGS, host) | {"disk_percent": disk})

    async def _look_at_all(self) -> dict[str, _Seen]:
        looks = (_look(check, options=self._options) for check in self._checks.values())
        return dict(zip(self._checks, await asyncio.gather(*looks), strict=True))

    def _uptime(self) -> dict[str, float]:
        return {"uptime_seconds": round(time.monotonic() - self._started, 3)}

    async def _read(self, reading: _Shared) -> object:
        try:
            return await reading.result(timeout=self._options.timeout)
        except TimeoutError:
            return None


def _named(names: Iterable[str], readings: object) -> dict[str, object]:
    """Every name has a value, null where there is no reading."""
    return dict.fromkeys(names) | (readings if isinstance(readings, dict) else {})


def _answer(body: Mapping[str, object], *, status: int = 200) -> JSONResponse:
    finite = {name: None if _is_odd(value) else value for name, value in body.items()}
    return JSONResponse(finite, status_code=status, headers={"Cache-Control": "no-store"})


def _is_odd(value: object) -> bool:
    """Whether JSON cannot say it (infinite, not a number)."""
    return isinstance(value, float) and not math.isfinite(value)


_CONTAINER_READINGS = ("memory_percent", "memory_scope", "memory_limit_bytes")
_PROCESS_READINGS = (*_CONTAINER_READINGS, "rss_bytes", "cpu_percent", "open_files", "threads")
_HOST_READINGS = ("load_1", "load_5", "load_15", "memory_percent", "cpu_count", "boot_time", "uptime_seconds")


class _ProcessReadings:
    """Readings of this process; an object, because a share of CPU time needs the reading before."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._cpu_percent = 0.0

    def take(self) -> dict[str, object]:
        """Read all; `memory_percent` is of the container's limit if it has one (`memory_scope`), else of the host."""
        used, limit = _or_none(container_memory) or (0, None)
        return {
            "memory_percent": round(100 * used / limit, 2) if limit else _or_none(_host_memory_percent),
            "memory_scope": "container" if limit else "host",
            "memory_limit_bytes": limit,
            "rss_bytes": _or_none(lambda: _process().memory_info().rss),
            "cpu_percent": self._cpu_share(),
            "open_files": _or_none(lambda: _process().num_fds()),
            "threads": _or_none(lambda: _process().num_threads()),
        }

    def _cpu_share(self) -> float:
        """CPU time since the reading before, in percent of all cores (0 to 100)."""
        wall, cpu = time.monotonic(), time.process_time()
        elapsed = wall - self._wall
        if elapsed > 0.1:  # noqa: PLR2004 — shorter spans say more about the clock than about the process
            self._cpu_percent = round(100 * (cpu - self._cpu) / elapsed / (os.cpu_count() or 1), 2)
            self._wall, self._cpu = wall, cpu
        return self._cpu_percent


def _process() -> "psutil.Process":
    import psutil

    return psutil.Process()


def _host_readings() -> dict[str, object]:
    load = _or_none(os.getloadavg) or (None, None, None)
    booted = _or_none(_boot_time)
    return {
        "load_1": load[0],
        "load_5": load[1],
        "load_15": load[2],
        "memory_percent": _or_none(_host_memory_percent),
        "cpu_count": os.cpu_count(),
        "boot_time": datetime.fromtimestamp(booted, UTC).isoformat() if booted else None,
        "uptime_seconds": round(time.time() - booted) if booted else None,
    }


def _host_memory_percent() -> float:
    import psutil

    return psutil.virtual_memory().percent


def _boot_time() -> float:
    import psutil

    return psutil.boot_time()


def _disk_percent(path: str) -> float:
    usage = shutil.disk_usage(path)
    # Used of what this user can have, as df says it: blocks that are kept for root are no free space.
    return round(100 * usage.used / (usage.used + usage.free), 2)


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:  # noqa: BLE001 — what cannot be read is null by contract; psutil may be missing, or refused by /proc
        return None


class _Files(NamedTuple):
    """What one version of control groups calls its files."""

    limit: str
    used: str
    cache: str


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Files("memory.max", "memory.current", "inactive_file")
_NO_LIMIT = 2**60


def container_memory(
    groups: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
) -> tuple[int, int] | None:
    """Read the memory in use and its limit, in bytes, of the tightest control group that this process is in.

    In use is counted as `docker stats` does: without file pages that the kernel can drop. None: no limit is set.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    triples = (line.split(":", 2) for line in lines)
    place = {controllers: path for _, controllers, path in triples}
    if "memory" in place:
        base, path, files = groups / "memory", place["memory"], _V1
    else:
        base, path, files = groups, place.get("", "/"), _V2
    found = [use for folder in _upwards(base, path) if (use := _use_of(folder, files)) is not None]
    return max(found, key=lambda use: use[0] / use[1], default=None)


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """The group's folder and those above it; inside a container only `base` may be there to see."""
    inner = Path(path.lstrip("/"))
    yield from (base / above for above in (inner, *inner.parents))


def _use_of(folder: Path, files: _Files) -> tuple[int, int] | None:
    try:
        limit = int((folder / files.limit).read_text())
        used = int((folder / files.used).read_text())
        stat = (folder / "memory.stat").read_text().split()
    except (OSError, ValueError):  # no such group to see, or its limit reads "max"
        return None
    if not 0 < limit < _NO_LIMIT:
        return None
    cache = int(stat[stat.index(files.cache) + 1]) if files.cache in stat else 0
    return max(0, used - cache), limit
