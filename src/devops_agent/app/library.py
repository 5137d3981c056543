"""Reads the runbooks that people keep for people: Markdown files beside their own YAML ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from devops_agent.analysis.retrieval import Document, read_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devops_agent.config.settings import Settings

log = logging.getLogger("devops_agent.library")

_MOST = 2_000
_LARGEST = 500_000  # bytes


def documents(settings: Settings) -> tuple[Document, ...]:
    """Return every `*.md` below the folders of `runbooks`; what cannot be read is left out, and told in the log."""
    found: dict[str, Document] = {}
    for file in _files(settings):
        try:
            found[file.stem] = read_markdown(file.read_text(encoding="utf-8", errors="replace"), name=file.stem)
        except OSError as error:
            log.warning("cannot read a runbook", extra={"file": str(file), "error": str(error)})
    return tuple(found.values())


def _files(settings: Settings) -> Iterator[Path]:
    for folder in settings.runbooks:
        below = sorted(Path(folder).rglob("*.md"))[:_MOST]
        yield from (file for file in below if file.is_file() and file.stat().st_size <= _LARGEST)
