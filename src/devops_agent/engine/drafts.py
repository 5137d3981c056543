"""What people say to drafts of runbooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.store import events, knowledge

if TYPE_CHECKING:
    from datetime import datetime

    from devops_agent.model.knowledge import Draft, Standing
    from devops_agent.store.rows import Rows


def answer(rows: Rows, name: str, to: Standing, *, by: str, comment: str, now: datetime) -> Draft:
    """Accept or reject a draft that waits.

    Raises:
        NotFoundError: there is none of that name.
        RefusedError: it was answered already.

    """
    found = knowledge.draft(rows, name)
    if found is None:
        message = f"no draft {name!r}; `devops-agent drafts --all` lists them"
        raise NotFoundError(message)
    if not knowledge.answer_draft(rows, name, to, by=by, comment=comment, now=now):
        message = f"{name} was {found.standing.value} by {found.by} already"
        raise RefusedError(message)
    says = f"{by} {to.value} the draft {name}" + (f": {comment}" if comment else "")
    events.add(rows, f"draft_{to.value}", says, at=now, actor=by, draft=name)
    return found.with_(standing=to, by=by, comment=comment, answered_at=now)
