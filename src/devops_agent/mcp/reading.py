"""The tools that read; each asks the API and shapes what it says. Their docstrings are what a model reads of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from devops_agent.mcp import shapes
from devops_agent.mcp.bounds import fitting, presentable
from devops_agent.mcp.calling import Api

if TYPE_CHECKING:
    from collections.abc import Mapping

Callers = Callable[[Context[Any, Any]], Api]
"""Returns the API in the name of whoever calls a tool."""

IncidentId = Annotated[str, Field(pattern=r"^INC-[1-9][0-9]{0,17}$", description="such as INC-17")]
Cursor = Annotated[
    str, Field(pattern=r"^[0-9]{0,18}$", description="`next` of the answer before; empty: from the start")
]
Limit = Annotated[int, Field(ge=1, le=100, description="how many at most")]
Name = Annotated[str, Field(max_length=253)]
StatusAsked = Literal[
    "", "unresolved", "open", "investigating", "awaiting_approval", "remediating", "verifying", "escalated", "resolved"
]
SeverityAsked = Literal["", "critical", "warning", "info", "none"]
HealthAsked = Literal["", "well", "degraded", "down", "unreachable", "starting", "unknown"]
_SHORT = 12_000
"""Room, in characters, of a list that is one of several in an answer."""


class Reading:
    """The read tools, for whoever calls."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def status(self, ctx: Context[Any, Any]) -> shapes.Status:
        """Tell at a glance how things are: roles, targets, incidents, what is paused, what waits."""
        found = await self._callers(ctx).get("/status")
        return shapes.Status.model_validate({"status": presentable(found)})

    async def incidents(  # noqa: PLR0913, PLR0917 — a tool's parameters are what may be asked
        self,
        ctx: Context[Any, Any],
        status: StatusAsked = "unresolved",
        target: Annotated[Name, Field(description="only those of one target; empty: of all")] = "",
        severity: SeverityAsked = "",
        kind: Annotated[Name, Field(description="fault class, such as down or disk_filling")] = "",
        text: Annotated[Name, Field(description="part of title, reason, target or id, in any case")] = "",
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> shapes.Incidents:
        """List incidents, newest first; by default those that are not resolved."""
        found = await self._callers(ctx).get(
            "/api/v1/incidents", status=status, target=target, severity=severity, kind=kind, text=text, limit=limit,
            cursor=cursor,
        )  # fmt: skip
        kept = fitting(found["items"])
        onward = kept[-1]["id"].removeprefix("INC-") if len(kept) < len(found["items"]) else found["next"]
        return shapes.Incidents.model_validate({"items": kept, "next": onward})

    async def incident(self, ctx: Context[Any, Any], incident: IncidentId, cursor: Cursor = "") -> shapes.Incident:
        """Tell the story of an incident: what happened, what was seen and tried, what waits for an answer.

        A long timeline comes in parts: ask again with `next` as `cursor`.
        """
        api = self._callers(ctx)
        found = await api.get("/api/v1/incidents/{}", incident)
        story = await api.get("/api/v1/incidents/{}/story", incident)
        told = await api.get("/api/v1/incidents/{}/timeline", incident, cursor=cursor, limit=200)
        seen = (await api.get("/api/v1/incidents/{}/evidence", incident))["items"]
        tried = (await api.get("/api/v1/incidents/{}/attempts", incident))["items"]
        waiting = (await api.get("/api/v1/approvals", limit=500))["items"]
        timeline = fitting([_event(one) for one in told["items"]], room=_SHORT)
        evidence = fitting(seen, room=_SHORT)
        return shapes.Incident.model_validate(
            {
                "says": presentable(story["says"]),
                "incident": presentable(found),
                "timeline": timeline,
                "next": str(timeline[-1]["seq"]) if len(timeline) < len(told["items"]) else told["next"],
                "evidence": evidence,
                "evidence_left_out": len(seen) - len(evidence),
                "attempts": fitting([_tried(one) for one in reversed(tried)], room=_SHORT),
                "approvals": presentable([one for one in waiting if one["incident"] == incident]),
            }
        )

    async def why(self, ctx: Context[Any, Any], incident: IncidentId) -> shapes.Why:
        """Tell why something was done about an incident, or was not: likely causes, and the guard's verdicts.

        Confidence is from 0 to 1, and corrected by how often such claims were right. The newest plan comes first.
        """
        api = self._callers(ctx)
        found = await api.get("/api/v1/incidents/{}", incident)
        causes = await api.get("/api/v1/incidents/{}/causes", incident)
        tried = (await api.get("/api/v1/incidents/{}/attempts", incident))["items"]
        kept = fitting(tried[::-1])
        says = f"{incident} stands at {found['status']}: {found['reason'] or 'no reason was given'}."
        if not tried:
            says += " The guard was not asked: there was no plan to decide on."
        insight = causes["insight"]
        return shapes.Why.model_validate(
            {
                "incident": presentable(found),
                "says": presentable(says),
                "diagnosis": presentable(causes["diagnosis"]),
                "insight": presentable(insight) if insight else None,
                "attempts": kept,
                "attempts_left_out": len(tried) - len(kept),
            }
        )

    async def approvals(self, ctx: Context[Any, Any]) -> shapes.Approvals:
        """List the plans that wait for a person's yes or no, with every step and its real arguments, and the digest."""
        api = self._callers(ctx)
        found = (await api.get("/api/v1/approvals", limit=100))["items"]
        whole = [await api.get("/api/v1/approvals/{}", one["id"]) for one in found[:20]]
        kept = fitting(whole)
        return shapes.Approvals.model_validate({"items": kept, "left_out": len(found) - len(kept)})

    async def targets(
        self,
        ctx: Context[Any, Any],
        health: HealthAsked = "",
        limit: Limit = 50,
        cursor: Annotated[Name, Field(description="`next` of the answer before; empty: from the start")] = "",
    ) -> shapes.Targets:
        """List what is watched, by name, and how it is; `health` leaves only those that are so."""
        found = (await self._callers(ctx).get("/api/v1/targets"))["items"]
        every = [one for one in found if health in ("", one["health"]) and one["name"] > cursor]
        every.sort(key=lambda one: str(one["name"]))
        kept = fitting(every[:limit])
        onward = every[len(kept) - 1]["name"] if len(kept) < len(every) else None
        return shapes.Targets.model_validate({"items": kept, "next": onward})

    async def target(self, ctx: Context[Any, Any], name: Annotated[Name, Field(min_length=1)]) -> shapes.Target:
        """Tell how one target is: readings, dependencies, open incidents, pauses, how often actions worked."""
        api = self._callers(ctx)
        found = await api.get("/api/v1/targets/{}", name)
        done = await api.get("/api/v1/statistics", target=name)
        return shapes.Target.model_validate({"target": presentable(found), "statistics": presentable(done["items"])})

    async def similar(
        self, ctx: Context[Any, Any], incident: IncidentId, limit: Annotated[int, Field(ge=1, le=20)] = 5
    ) -> shapes.SimilarOnes:
        """List earlier incidents like one, the most alike first, and what verifiably helped then."""
        found = await self._callers(ctx).get("/api/v1/incidents/{}/similar", incident, limit=limit)
        return shapes.SimilarOnes.model_validate({"items": fitting(found["items"])})

    async def learning(
        self,
        ctx: Context[Any, Any],
        target: Annotated[Name, Field(description="only actions on one target; empty: on all")] = "",
    ) -> shapes.Learning:
        """Tell what was learnt: how right it is when it is sure, what has helped, what may act alone."""
        api = self._callers(ctx)
        if target:
            await api.get(
                "/api/v1/targets/{}", target
            )  # so that a wrong name is refused, with the names that there are
        found = await api.get("/api/v1/learning")
        every = [one for one in found["actions"] if target in ("", one["target"])]
        actions = fitting(every, room=_SHORT)
        return shapes.Learning.model_validate(
            {
                "confidence": presentable(found["confidence"]),
                "runbooks": fitting(found["runbooks"], room=_SHORT),
                "actions": actions,
                "actions_left_out": len(every) - len(actions),
            }
        )

    async def oncall(self, ctx: Context[Any, Any]) -> shapes.Duty:
        """Tell who is on call by each schedule, now and for two weeks, and which incidents wait for a person."""
        api = self._callers(ctx)
        schedules = await api.get("/api/v1/oncall")
        waiting = (await api.get("/api/v1/escalations", limit=500))["items"]
        kept = fitting(waiting, room=_SHORT)
        return shapes.Duty.model_validate(
            {
                "schedules": fitting(schedules["items"], room=_SHORT),
                "waiting": kept,
                "waiting_left_out": len(waiting) - len(kept),
            }
        )

    async def audit(  # noqa: PLR0913, PLR0917 — a tool's parameters are what may be asked
        self,
        ctx: Context[Any, Any],
        text: Annotated[Name, Field(description="part of what happened, in any case")] = "",
        kind: Annotated[Name, Field(description="such as approved, step, pause, token")] = "",
        actor: Annotated[Name, Field(description="who did it, such as agent or api:ada")] = "",
        target: Name = "",
        incident: Annotated[str, Field(pattern=r"^(INC-[1-9][0-9]{0,17})?$")] = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> shapes.Found:
        """Search the audit log, newest first: who did what, when, and why."""
        found = await self._callers(ctx).get(
            "/api/v1/audit", text=text, kind=kind, actor=actor, target=target, incident=incident, cursor=cursor,
            limit=limit,
        )  # fmt: skip
        kept = fitting([_event(one) for one in found["items"]])
        onward = str(kept[-1]["seq"]) if len(kept) < len(found["items"]) else found["next"]
        return shapes.Found.model_validate({"items": kept, "next": onward})


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in shapes.Event.model_fields}


def _tried(attempt: Mapping[str, Any]) -> dict[str, Any]:
    plan, decision = attempt["plan"], attempt["decision"]
    return {
        "id": attempt["id"],
        "runbook": plan["runbook"],
        "target": plan["target"],
        "digest": plan["digest"],
        "permission": decision["permission"],
        "rule": decision["rule"],
        "reason": decision["reason"],
        "outcome": attempt["outcome"],
        "says": attempt["says"],
    }
