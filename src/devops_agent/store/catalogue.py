"""What the agent has to offer, written down by it for those who only show it: runbooks and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.action import Action
from devops_agent.model.fact import from_json, to_json
from devops_agent.model.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.store.rows import Rows


def keep(rows: Rows, *, runbooks: Sequence[Runbook], actions: Sequence[Action]) -> None:
    """Replace what was written down."""
    rows.run("DELETE FROM catalogue")
    rows.many(
        "INSERT INTO catalogue (kind, name, entry_json) VALUES (:kind, :name, :entry)",
        [
            *({"kind": "runbook", "name": book.name, "entry": to_json(book)} for book in runbooks),
            *({"kind": "action", "name": action.name, "entry": to_json(action)} for action in actions),
        ],
    )


def runbooks(rows: Rows) -> list[Runbook]:
    """Return the runbooks that the agent works by, by name."""
    return [from_json(text, Runbook) for text in _entries(rows, "runbook")]


def actions(rows: Rows) -> list[Action]:
    """Return the actions that its plugins offer, by name."""
    return [from_json(text, Action) for text in _entries(rows, "action")]


def _entries(rows: Rows, kind: str) -> list[str]:
    found = rows.all("SELECT entry_json FROM catalogue WHERE kind = :kind ORDER BY name", kind=kind)
    return [row["entry_json"] for row in found]
