"""What was learnt, and what people say to it."""

from __future__ import annotations

from fastapi import APIRouter

from devops_agent.engine.feedback import Feedback, hear
from devops_agent.engine.lessons import Lessons, lessons
from devops_agent.store import targets
from devops_agent.store.rows import Rows
from devops_agent.web import bodies, learnt
from devops_agent.web.api.incidents import IncidentId
from devops_agent.web.asking import DeskOf, Operator, needs, problems

router = APIRouter(prefix="/api/v1", tags=["learning"])


@router.get("/learning", responses=problems(), dependencies=[needs("read")])
async def learning(desk: DeskOf) -> learnt.Lessons:
    """Tell how right it is when it is sure, what has helped, and what may act without asking, and why."""
    now, settings = desk.parts.clock.now(), desk.parts.settings()
    actions = desk.parts.actions().values()

    def read(rows: Rows) -> Lessons:
        every = {one.target.name: one.target for one in targets.all_(rows)} | {
            one.name: one for one in settings.targets
        }
        return lessons(rows, settings=settings, actions=actions, targets=every.values(), now=now)

    return learnt.Lessons.model_validate(await desk.read(read))


@router.post("/incidents/{incident}/feedback", responses=problems(404, 409))
async def feedback(desk: DeskOf, incident: IncidentId, asked: bodies.FeedbackAsked, once: Operator) -> learnt.Heard:
    """Say whether a diagnosis was right and what the last plan did; it changes trust at once."""
    now, said = desk.parts.clock.now(), Feedback(**asked.model_dump(exclude_none=True))
    says = await desk.command(lambda rows: hear(rows, incident, said, by=once.by, now=now), once=once)
    return learnt.Heard(says=says)
