"""What was learnt: how far to trust what is said, what may act without asking and why, what has helped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Request, Response

from devops_agent.engine.lessons import lessons
from devops_agent.model.target import Trust
from devops_agent.store import knowledge, targets
from devops_agent.web import plots
from devops_agent.web.asking import DeskOf
from devops_agent.web.pages.shell import show

if TYPE_CHECKING:
    from datetime import datetime

    from markupsafe import Markup

    from devops_agent.engine.lessons import Confidence
    from devops_agent.store.rows import Rows

router = APIRouter(include_in_schema=False, default_response_class=Response)

_SHOWN = 200
"""Actions on targets, those that stand highest or fared worst first."""


class Curve(NamedTuple):
    """How right one source is when it is sure."""

    of: Confidence
    drawn: Markup
    judged: str


@router.get("/learning")
async def learning_(request: Request, desk: DeskOf) -> Response:
    """Show what was learnt."""
    settings, actions = desk.parts.settings(), desk.parts.actions().values()

    def read(rows: Rows, now: datetime) -> dict[str, Any]:
        every = {one.target.name: one.target for one in targets.all_(rows)} | {
            one.name: one for one in settings.targets
        }
        found = lessons(rows, settings=settings, actions=actions, targets=every.values(), now=now)
        ranked = sorted(found.actions, key=lambda one: (-one.standing.level.rank, one.healed - one.tried, one.target))
        return {
            "curves": [_curve(one) for one in found.confidence],
            "runbooks": found.runbooks,
            "actions": ranked[:_SHOWN],
            "every": len(ranked),
            "rungs": [trust.value for trust in Trust],
            "earned": settings.learning.earned_trust,
            "terms": settings.learning,
            "proposals": knowledge.proposals(rows),
            "drafts": knowledge.drafts(rows),
        }

    return await show(request, desk, "learning", read)


def _curve(one: Confidence) -> Curve:
    published = one.published
    says = f"reliability of {one.source}: mean gap {published.ece:.1%}, {published.claims} diagnoses"
    drawn = plots.reliability([(band.confidence, band.right, band.claims) for band in published.bands], says=says)
    judged = ", ".join(f"{number} by {who}" for who, number in one.judged_by.items())
    return Curve(one, drawn, judged)
