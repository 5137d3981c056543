"""The tools that change something: registered only when asked for, and decided on by the API like any other caller's.

An approval is answered by its id and the digest of the plan that was looked at, never inferred from a conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from devops_agent.mcp import shapes
from devops_agent.mcp.bounds import presentable
from devops_agent.mcp.reading import Callers, IncidentId, Name

if TYPE_CHECKING:
    from collections.abc import Mapping

ApprovalId = Annotated[str, Field(pattern=r"^APR-[1-9][0-9]{0,17}$", description="such as APR-4")]
Digest = Annotated[
    str,
    Field(min_length=1, max_length=253, description="of the plan that the person looked at, as `approvals` shows it"),
]
Comment = Annotated[str, Field(max_length=2_000, description="why; kept in the record")]
Reason = Annotated[str, Field(min_length=1, max_length=2_000, description="why; kept in the record")]
Hours = Annotated[float, Field(gt=0, le=8_760)]
Pattern = Annotated[str, Field(max_length=2_000)]


class Writing:
    """The write tools, for whoever calls."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def approve(
        self, ctx: Context[Any, Any], approval: ApprovalId, digest: Digest, comment: Comment = ""
    ) -> shapes.Done:
        """Let exactly one plan be carried out, which a person has read and agreed to by id and digest.

        If the plan has changed since, nothing is answered. The guard looks once more before anything is done.
        """
        made = await self._callers(ctx).post("/api/v1/approvals/{}/approve", approval, digest=digest, comment=comment)
        return _done(f"approved {approval}: {made['summary']}", made)

    async def deny(
        self, ctx: Context[Any, Any], approval: ApprovalId, digest: Digest, comment: Comment = ""
    ) -> shapes.Done:
        """Refuse the plan of one approval; the incident goes to a person."""
        made = await self._callers(ctx).post("/api/v1/approvals/{}/deny", approval, digest=digest, comment=comment)
        return _done(f"denied {approval}: {made['summary']}", made)

    async def acknowledge(self, ctx: Context[Any, Any], incident: IncidentId, comment: Comment = "") -> shapes.Done:
        """Take an incident for the person who asks: nobody else is called for it any more."""
        made = await self._callers(ctx).post("/api/v1/incidents/{}/acknowledge", incident, comment=comment)
        return _done(f"acknowledged {incident}", made)

    async def pause(
        self,
        ctx: Context[Any, Any],
        reason: Reason,
        target: Annotated[Name, Field(description="one target; empty: everything")] = "",
        hours: Annotated[Hours | None, Field(description="ends by itself after so long; null: when resumed")] = None,
    ) -> shapes.Done:
        """Stop automatic actions on a target, or on all; watching and telling go on."""
        made = await self._callers(ctx).post("/api/v1/pauses", target=target, reason=reason, hours=hours)
        until = f" until {made['ends_at']}" if made["ends_at"] else ""
        return _done(f"paused {target or 'everything'}{until}", made)

    async def resume(
        self,
        ctx: Context[Any, Any],
        target: Annotated[Name, Field(description="one target; empty: the pause of everything")] = "",
    ) -> shapes.Done:
        """Let automatic actions go on, on a target or on all."""
        await self._callers(ctx).delete("/api/v1/pauses", target=target)
        return _done(f"resumed {target or 'everything'}", {"target": target})

    async def silence(
        self,
        ctx: Context[Any, Any],
        matchers: Annotated[
            dict[Name, Pattern],
            Field(min_length=1, max_length=20, description="label → pattern, which may hold *; all have to match"),
        ],
        hours: Hours,
        comment: Reason,
    ) -> shapes.Done:
        """Let alerts whose labels match open no incident for a while."""
        made = await self._callers(ctx).post("/api/v1/silences", matchers=matchers, hours=hours, comment=comment)
        return _done(f"{made['id']} holds until {made['ends_at']}", made)


def _done(says: str, made: Mapping[str, Any]) -> shapes.Done:
    return shapes.Done.model_validate({"says": presentable(says), "result": presentable(dict(made))})
