"""What people say while the agent responds: answers, pauses, flags, guidance, orders, closing by hand."""

import pytest

from devops_agent.config.settings import Web
from devops_agent.engine import commands
from devops_agent.model.attempt import Outcome
from devops_agent.model.contact import Channel, Notify
from devops_agent.model.decision import Answer
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.incident import Status
from devops_agent.model.target import Trust
from devops_agent.store import approvals, outbox, runs
from tests.engine.conftest import Set
from tests.engine.people import answer, close, fall, guide, pause, resume, switch
from tests.engine.site import runbook, target

DEPLOY = runbook("new", "fake.deploy", args={"image": "shop/app:3"})
ASKED = Status.AWAITING_APPROVAL


async def test_a_risky_plan_is_put_before_a_person_and_nothing_is_done_meanwhile(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        incident = await scene.incident()
        assert incident.status is ASKED
        assert incident.reason == "asks for approval APR-1: trust for risky actions on api is ask"
        [asked] = await scene.asked()
        [attempt] = await scene.attempts()
        assert (asked.answer, asked.digest) == (Answer.PENDING, attempt.plan.digest)
        assert asked.summary == "new on api: fake.deploy"
        assert scene.done == []
        [notice] = await scene.store.read(outbox.latest)
        assert notice.kind == "approval"
        assert notice.message["next_steps"] == ["devops-agent approve APR-1", "devops-agent deny APR-1"]


@pytest.mark.parametrize("channels", [(), (Channel(name="chat", via="slack"),)])
async def test_a_notice_wakes_who_delivers_it_when_there_are_channels(
    set_scene: Set, channels: tuple[Channel, ...]
) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        scene.settings = scene.settings.with_(notify=Notify(channels=channels))
        await fall(scene)
        await scene.run()
        assert len(await scene.store.read(outbox.latest)) == 1
        assert (await scene.store.read(lambda rows: runs.next_due(rows, outbox.QUEUE)) is None) == (channels == ())


async def test_a_notice_links_to_where_people_reach_the_page(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        scene.settings = scene.settings.with_(web=Web(public_url="https://agent.example.com/"))
        await fall(scene)
        await scene.run()
        [notice] = await scene.store.read(outbox.latest)
        assert notice.message["links"] == {"incident": "https://agent.example.com/incidents/INC-1"}


async def test_an_approved_plan_is_carried_out(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await answer(scene, Answer.APPROVED)
        await scene.run()
        assert scene.done == [("fake.deploy", "api")]
        assert (await scene.incident()).status is Status.RESOLVED
        decisions = [event.says for event in await scene.events() if event.kind == "decision"]
        assert decisions == ["ask: trust for risky actions on api is ask", "allow: a person approved this plan"]


async def test_a_denied_plan_is_never_carried_out_and_a_person_has_the_incident(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await answer(scene, Answer.DENIED, comment="not before lunch")
        await scene.run()
        await scene.run_later(8000)
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert incident.reason == "approval APR-1 was denied by alice: not before lunch"
        assert incident.next_steps[0] == "Look at api."
        assert (await scene.attempts())[0].outcome is Outcome.DENIED


async def test_a_question_that_nobody_answers_expires_and_nothing_is_done(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await scene.run_later(3700)
        assert (scene.done, (await scene.incident()).status) == ([], Status.ESCALATED)
        assert (await scene.incident()).reason == "approval APR-1 was expired"
        with pytest.raises(commands.RefusedError, match="APR-1 cannot be answered: it is expired"):
            await answer(scene, Answer.APPROVED)


async def test_an_approval_counts_once_and_for_its_own_plan_only(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await answer(scene, Answer.APPROVED)
        await scene.run()
        await fall(scene)
        await scene.run()
        assert scene.done == [("fake.deploy", "api")]
        assert (await scene.incident()).status is ASKED
        assert [one.answer for one in await scene.asked()] == [Answer.APPROVED, Answer.PENDING]


async def test_when_the_plan_changes_the_old_question_is_taken_back_and_the_new_plan_asked(set_scene: Set) -> None:
    other = runbook("other", "fake.deploy", args={"image": "shop/app:4"}, kinds=())
    async with set_scene(runbooks=[DEPLOY, other]) as scene:
        await fall(scene)
        await scene.run()
        await guide(scene, "other")
        await scene.run()
        first, second = await scene.asked()
        assert (first.answer, second.answer) == (Answer.WITHDRAWN, Answer.PENDING)
        assert second.digest != first.digest
        with pytest.raises(commands.RefusedError, match="withdrawn"):
            await answer(scene, Answer.APPROVED)
        assert (scene.done, (await scene.incident()).status) == ([], ASKED)
        await answer(scene, Answer.APPROVED, "APR-2")
        await scene.run()
        assert scene.world.services["api"].image == "shop/app:4"


async def test_an_approved_plan_that_has_to_wait_for_its_turn_is_not_asked_about_again(set_scene: Set) -> None:
    targets = (target(), target("db"))
    async with set_scene(*targets, runbooks=[DEPLOY], concurrent=1) as scene:
        for name in ("api", "db"):
            scene.world.services[name].starts_healthy = False
            await fall(scene, name)
        await scene.run()
        await answer(scene, Answer.APPROVED, "APR-1")
        await scene.run(1)
        await answer(scene, Answer.APPROVED, "APR-2")
        await scene.run(10)
        assert scene.done == [("fake.deploy", "api")]
        assert "1 of 1 plans are under way" in next(e.says for e in await scene.events("INC-2") if e.kind == "held")
        await scene.run(60)
        assert scene.done == [("fake.deploy", "api"), ("fake.deploy", "db")]
        assert len(await scene.asked("INC-2")) == 1


async def test_what_is_protected_in_the_meantime_is_not_touched_though_it_was_approved(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        scene.guardian.protected = (Protected(what="api", why="test", is_=Identity(names=frozenset({"api"}))),)
        await answer(scene, Answer.APPROVED)
        await scene.run()
        assert (scene.done, (await scene.incident()).status) == ([], Status.ESCALATED)
        assert "never touched: api (test)" in (await scene.incident()).reason


async def test_an_approval_does_not_lift_monitoring_only(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await switch(scene, on=False)
        await answer(scene, Answer.APPROVED)
        await scene.run()
        assert scene.done == []
        assert "monitoring only" in (await scene.incident()).reason


async def test_monitoring_only_tells_what_it_would_do_and_goes_on_when_it_is_switched_on(set_scene: Set) -> None:
    async with set_scene() as scene:
        await switch(scene, on=False)
        await fall(scene)
        await scene.run()
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert "AUTO_REMEDIATION_ENABLED is off. Would have done on api: fake.restart (restart)" in incident.reason
        assert (await scene.attempts())[0].outcome is Outcome.WOULD
        await switch(scene, on=True)
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert (await scene.incident()).status is Status.RESOLVED


async def test_what_waits_for_people_to_lift_something_reminds_them_once_a_day(set_scene: Set) -> None:
    async with set_scene() as scene:
        await switch(scene, on=False)
        await fall(scene)
        await scene.run()
        await scene.run_later(80_000)
        assert len(await scene.store.read(outbox.latest)) == 1
        await scene.run_later(20_000)
        assert len(await scene.store.read(outbox.latest)) == 2


@pytest.mark.parametrize("name", ["", "api"])
async def test_while_paused_nothing_is_done_and_after_it_the_response_goes_on(set_scene: Set, name: str) -> None:
    async with set_scene() as scene:
        await pause(scene, name)
        await fall(scene)
        await scene.run()
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert incident.reason.startswith("paused by alice (PAU-1): a release. Would have done")
        await resume(scene, name)
        await scene.run()
        assert scene.done == [("fake.restart", "api")]


async def test_a_pause_of_another_target_stops_nothing_here(set_scene: Set) -> None:
    async with set_scene() as scene:
        await pause(scene, "db")
        await fall(scene)
        await scene.run()
        assert scene.done == [("fake.restart", "api")]


async def test_a_pause_that_ends_by_itself_calls_nobody_and_the_response_goes_on_then(set_scene: Set) -> None:
    async with set_scene() as scene:
        await pause(scene, ends_in=600)
        await fall(scene)
        await scene.run(599)
        assert (scene.done, (await scene.incident()).status) == ([], Status.INVESTIGATING)
        await scene.run(30)
        assert scene.done == [("fake.restart", "api")]
        assert [one.kind for one in await scene.store.read(outbox.latest)] == ["healed"]


async def test_an_incident_that_no_runbook_fits_is_mended_by_the_one_that_a_person_names(set_scene: Set) -> None:
    guided = runbook("special", "fake.start", kinds=())
    async with set_scene(runbooks=[guided]) as scene:
        await fall(scene)
        await scene.run()
        assert (await scene.incident()).status is Status.ESCALATED
        await guide(scene, "special")
        await scene.run()
        assert scene.done == [("fake.start", "api")]
        assert (await scene.incident()).status is Status.RESOLVED
        assert "special, chosen by a person" in [e.says for e in await scene.events() if e.kind == "plan"]


async def test_a_runbook_that_does_not_exist_is_told_by_its_name(set_scene: Set) -> None:
    async with set_scene(runbooks=[]) as scene:
        await fall(scene)
        await scene.run()
        await guide(scene, "nothing-like-it")
        await scene.run()
        assert "there is no runbook 'nothing-like-it'" in (await scene.incident()).reason


async def test_guidance_does_not_come_between_an_action_and_its_proof(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].starts_healthy = False
        await fall(scene)
        await scene.run(2)
        with pytest.raises(commands.RefusedError, match="INC-1 is remediating right now"):
            await guide(scene, "restart")


async def test_a_person_closes_an_incident_that_waits_for_an_answer(set_scene: Set) -> None:
    async with set_scene(runbooks=[DEPLOY]) as scene:
        await fall(scene)
        await scene.run()
        await close(scene)
        await scene.run()
        assert (scene.done, (await scene.incident()).status) == ([], Status.RESOLVED)
        assert (await scene.incident()).reason == "closed by alice: mended"
        assert (await scene.asked())[0].answer is Answer.WITHDRAWN
        assert await scene.store.read(approvals.pending) == []
        assert await scene.store.read(lambda rows: runs.next_due(rows, commands.RUNS)) is None


async def test_a_person_closes_an_escalated_incident(set_scene: Set) -> None:
    async with set_scene(runbooks=[]) as scene:
        await fall(scene)
        await scene.run()
        await close(scene)
        await scene.run()
        assert (await scene.incident()).status is Status.RESOLVED
        with pytest.raises(commands.RefusedError, match="INC-1 is resolved"):
            await close(scene)


async def test_nobody_closes_an_incident_in_the_middle_of_an_action(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].starts_healthy = False
        await fall(scene)
        await scene.run(2)
        with pytest.raises(commands.RefusedError, match="INC-1 is being acted on right now"):
            await close(scene)


async def test_a_person_closes_an_incident_that_is_watched_after_its_plan(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene)
        await scene.run(2)
        assert (await scene.incident()).status is Status.VERIFYING
        await close(scene)
        await scene.run()
        assert (await scene.incident()).reason == "closed by alice: mended"
        [attempt] = await scene.attempts()
        assert attempt.outcome is Outcome.HEALED


@pytest.mark.parametrize("trust", [Trust.OBSERVE, Trust.ASK])
async def test_the_ceiling_of_a_target_binds_also_safe_actions(set_scene: Set, trust: Trust) -> None:
    async with set_scene(target(trust=trust)) as scene:
        await fall(scene)
        await scene.run()
        assert scene.done == []
        expected = Status.ESCALATED if trust is Trust.OBSERVE else ASKED
        assert (await scene.incident()).status is expected


async def test_a_name_that_is_none_is_refused_with_the_way_out(set_scene: Set) -> None:
    async with set_scene() as scene:
        with pytest.raises(commands.NotFoundError, match="devops-agent incidents"):
            await close(scene, "INC-9")
        with pytest.raises(commands.NotFoundError, match="devops-agent approvals"):
            await answer(scene, Answer.APPROVED, "APR-9")
        with pytest.raises(commands.RefusedError, match="everything is not paused"):
            await resume(scene)
        with pytest.raises(commands.NotFoundError, match="AUTO_REMEDIATION_ENABLED"):
            await scene.command(lambda rows: commands.set_flag(rows, "X", value=True, by="a", now=scene.clock.now()))
