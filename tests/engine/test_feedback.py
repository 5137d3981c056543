"""A person's word on diagnoses and outcomes: it is kept, goes before what was inferred, and counts at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.engine.commands import NotFoundError, RefusedError
from devops_agent.engine.feedback import KINDS, Feedback, hear
from devops_agent.model.decision import Permission
from devops_agent.model.fact import from_json, to_json
from devops_agent.store import learning
from tests.engine.conftest import Set
from tests.engine.people import close, fall, switch
from tests.engine.site import Scene, alert
from tests.engine.test_learning import recover


async def say(scene: Scene, id_: str = "INC-1", **said: str) -> str:
    now = scene.clock.now()
    feedback = Feedback(**said)  # type: ignore[arg-type]
    return await scene.command(lambda rows: hear(rows, id_, feedback, by="alice", now=now))


async def verdicts(scene: Scene) -> dict[str, tuple[str, str]]:
    made = await scene.store.read(lambda rows: learning.predictions(rows, "INC-1"))
    return {one.kind: (one.verdict, one.judged_by) for one in made}


async def heal(scene: Scene) -> None:
    await fall(scene)
    await scene.run()


async def test_a_wrong_diagnosis_counts_as_wrong_although_its_plan_healed(set_scene: Set) -> None:
    async with set_scene() as scene:
        await heal(scene)
        assert await verdicts(scene) == {"down": ("right", "outcome")}
        says = await say(scene, diagnosis="wrong", kind="out_of_memory", component="db", comment="saw it in dmesg")
        assert says == "alice: the diagnosis down was wrong, it was out_of_memory on db — saw it in dmesg"
        assert await verdicts(scene) == {"down": ("wrong", "person")}
        event = (await scene.events())[-1]
        assert (event.kind, event.actor, event.says) == ("feedback", "alice", says)
        assert event.data["said"] == {
            "diagnosis": "wrong", "kind": "out_of_memory", "component": "db", "comment": "saw it in dmesg",
        }  # fmt: skip


async def test_naming_what_was_wrong_judges_the_diagnosis_by_it(set_scene: Set) -> None:
    async with set_scene() as scene:
        await heal(scene)
        assert await say(scene, kind="down") == "alice: the diagnosis down was right"
        assert await say(scene, kind="well") == "alice: the diagnosis down was wrong, it was well"
        assert await say(scene, component="db") == "alice: the diagnosis down was wrong, it was down on db"
        assert await say(scene, component="api") == "alice: the diagnosis down was right"


async def test_a_word_of_harm_takes_trust_to_ask_at_once_and_a_word_of_help_gives_it_back(set_scene: Set) -> None:
    async with set_scene() as scene:
        await heal(scene)
        assert await say(scene, outcome="harmful") == "alice: the plan ATT-1 did harm"
        scene.clock.jump(3600)
        await heal(scene)
        asked = (await scene.attempts("INC-2"))[0].decision
        assert (asked.permission, asked.rule) == (Permission.ASK, "trust")
        assert "fallen: INC-1: a person called it harmful; it cannot rise before" in asked.reason
        await close(scene, "INC-2")
        assert await say(scene, outcome="helped") == "alice: the plan ATT-1 helped"
        scene.clock.jump(3600)
        await heal(scene)
        assert (await scene.attempts("INC-3"))[0].decision.permission is Permission.ALLOW


async def test_that_a_person_mended_it_takes_back_that_it_healed_by_itself(set_scene: Set) -> None:
    async with set_scene() as scene:
        await switch(scene, on=False)
        await recover(scene)
        assert await say(scene, outcome="mended") == "alice: a person mended it, it was not over by itself"
        since = scene.clock.now() - timedelta(days=1)
        assert await scene.store.read(lambda rows: learning.waits(rows, since=since)) == {("down", "api"): (0, 1)}
        with pytest.raises(RefusedError, match="INC-1 is not counted as over by itself"):
            await say(scene, outcome="mended")


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({}, "cannot learn from nothing"),
        ({"comment": "hm"}, "cannot learn from nothing"),
        ({"kind": "gremlins"}, "no fault class 'gremlins'; known: well, unreachable"),
        ({"diagnosis": "right", "kind": "unhealthy"}, "the diagnosis was down on api: say that it was wrong"),
        ({"diagnosis": "right", "component": "db"}, "the diagnosis was down on api: say that it was wrong"),
    ],
)
async def test_what_contradicts_itself_is_refused_with_the_way_out(
    set_scene: Set, said: dict[str, str], refusal: str
) -> None:
    async with set_scene() as scene:
        await heal(scene)
        with pytest.raises(RefusedError, match=refusal):
            await say(scene, **said)
        assert (await scene.events())[-1].kind != "feedback"


async def test_what_did_not_take_place_cannot_be_judged(set_scene: Set) -> None:
    async with set_scene() as scene:
        with pytest.raises(NotFoundError, match="no incident 'INC-9'"):
            await say(scene, "INC-9", diagnosis="right")
        await scene.deliver(alert(at=scene.clock))
        with pytest.raises(RefusedError, match="no diagnosis of INC-1 is kept"):
            await say(scene, diagnosis="right")
        with pytest.raises(RefusedError, match="no plan for INC-1 has ended yet"):
            await say(scene, outcome="helped")


@given(
    st.builds(
        Feedback,
        diagnosis=st.sampled_from(["", "right", "wrong"]),
        kind=st.sampled_from(["", *KINDS]),
        component=st.text(max_size=20),
        outcome=st.sampled_from(["", "helped", "useless", "harmful", "mended"]),
        comment=st.text(max_size=40),
    )
)
def test_a_word_is_the_same_read_back(said: Feedback) -> None:
    assert from_json(to_json(said), Feedback) == said
