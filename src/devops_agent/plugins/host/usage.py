"""Finds the largest files below a folder, without changing anything."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from devops_agent.plugins.host.roots import open_root
from devops_agent.plugins.host.walk import Mark, walk


@dataclass(kw_only=True)
class Usage:
    """What lies below a folder; files with several names count once."""

    root: str
    top: int
    files: int = 0
    bytes: int = 0
    largest: list[tuple[int, str]] = field(default_factory=list)
    """Size and path, as a heap."""
    folders: Counter[str] = field(default_factory=Counter)
    """Bytes below each folder right in the root."""

    @property
    def data(self) -> dict[str, object]:
        """The figures, largest first."""
        return {
            "bytes": self.bytes,
            "files": self.files,
            "largest": [{"path": path, "bytes": size} for size, path in sorted(self.largest, reverse=True)],
            "folders": [{"path": path, "bytes": size} for path, size in self.folders.most_common(self.top)],
        }

    @property
    def says(self) -> str:
        """The figures in one sentence."""
        most = f"; largest: {max(self.largest)[1]}, {max(self.largest)[0] / 1_000_000:.1f} MB" if self.largest else ""
        return f"{self.root} holds {self.bytes / 1_000_000:.1f} MB in {self.files} files{most}"


def measure(usage: Usage) -> Iterator[None]:
    """Fill in the figures; each step is a moment to pause or to end.

    Raises:
        PluginError: the folder cannot be opened.

    """
    root = open_root(usage.root)
    linked: set[Mark] = set()
    base = usage.root.rstrip("/")
    try:
        for step in walk(root):
            if step is not None and step[1].mark not in linked:
                found = step[1]
                if found.links > 1:
                    linked.add(found.mark)
                usage.files += 1
                usage.bytes += found.size
                usage.folders[f"{base}/{found.folder[0]}" if found.folder else base or "/"] += found.size
                heapq.heappush(usage.largest, (found.size, f"{base}/{found.path}"))
                if len(usage.largest) > usage.top:
                    heapq.heappop(usage.largest)
            yield
    finally:
        os.close(root)
