from datetime import timedelta

import pytest

from devops_agent.model.action import Proof, Step
from devops_agent.model.decision import Permission
from devops_agent.model.fact import from_json, to_json
from devops_agent.model.runbook import Plan

STEP = Step(
    name="restart",
    action="docker.restart",
    args={"timeout": 5, "force": False},
    proof=Proof(state="running", below={"memory_percent": 80.0}),
)
PLAN = Plan(incident="INC-1", runbook="restart", target="api", steps=(STEP,), advice=("look",))


def test_the_strictest_permission_ranks_highest() -> None:
    assert sorted(Permission, key=lambda one: one.rank) == [Permission.ALLOW, Permission.ASK, Permission.DENY]


def test_the_same_plan_has_the_same_digest_wherever_it_was_made() -> None:
    assert from_json(to_json(PLAN), Plan).digest == PLAN.digest
    args = {"force": False, "timeout": 5}
    assert PLAN.with_(steps=(STEP.with_(args=args),)).digest == PLAN.digest
    assert len(PLAN.digest) == 16


@pytest.mark.parametrize(
    "other",
    [
        PLAN.with_(incident="INC-2"),
        PLAN.with_(runbook="other"),
        PLAN.with_(target="db"),
        PLAN.with_(settle=6.0),
        PLAN.with_(advice=()),
        PLAN.with_(steps=()),
        PLAN.with_(steps=(STEP, STEP)),
        PLAN.with_(steps=(STEP.with_(name="again"),)),
        PLAN.with_(steps=(STEP.with_(action="docker.stop"),)),
        PLAN.with_(steps=(STEP.with_(args={"timeout": 6, "force": False}),)),
        PLAN.with_(steps=(STEP.with_(args={"timeout": "5", "force": False}),)),
        PLAN.with_(steps=(STEP.with_(args={"timeout": 5, "force": True}),)),
        PLAN.with_(steps=(STEP.with_(timeout=timedelta(seconds=61)),)),
        PLAN.with_(steps=(STEP.with_(undo=True),)),
        PLAN.with_(steps=(STEP.with_(only_if="state.running == false"),)),
        PLAN.with_(steps=(STEP.with_(proof=Proof(state="running", below={"memory_percent": 90.0})),)),
    ],
)
def test_whatever_changes_in_a_plan_changes_its_digest(other: Plan) -> None:
    assert other.digest != PLAN.digest
