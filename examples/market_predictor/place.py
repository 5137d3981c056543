"""The folder in which a service or worker keeps its files."""

import os
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000


@dataclass(frozen=True)
class Place:
    """`cache/`, `logs/`, `faults/` and, for a worker, `queue/`, `done/`, `failed/` below one folder."""

    root: Path

    def __post_init__(self) -> None:
        for folder in (self.cache, self.logs, self.faults, self.queue, self.done, self.failed):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def cache(self) -> Path:
        """What may be thrown away."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """The log being written and rotated ones."""
        return self.root / "logs"

    @property
    def faults(self) -> Path:
        """A file `NAME.json` here switches that fault on."""
        return self.root / "faults"

    @property
    def queue(self) -> Path:
        """Jobs that wait for the worker."""
        return self.root / "queue"

    @property
    def done(self) -> Path:
        """Answers to jobs."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """Jobs that are no jobs."""
        return self.root / "failed"

    def used_bytes(self) -> int:
        """Size of what lies in cache and logs."""
        return sum(_size(entry) for folder in (self.cache, self.logs) for entry in os.scandir(folder))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text)
    half.replace(path)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # cleaned up meanwhile
        return 0
