"""The story, from the alert to the end of the incident."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from devops_agent.kit.testing import START, FakeService, Trouble
from devops_agent.model.alert import Alert
from devops_agent.model.attempt import Outcome
from devops_agent.model.fault import FAULTS
from devops_agent.model.incident import Status
from devops_agent.store import attempts, events, outbox
from tests.effort import examples
from tests.engine.conftest import Set
from tests.engine.site import HEALTHY, RESTART, TRUST_ALL, Scene, alert, runbook, shipped, target

START_IT = runbook("start", "fake.start", kinds=("down", "unhealthy"), priority=-1)


async def outside(scene: Scene, name: str = "ServiceDown", service: str = "api", **labels: str) -> Alert:
    """Deliver an alert that only its sender can end."""
    made = alert(name, service, source="alertmanager", at=scene.clock, **labels)
    await scene.deliver(made)
    return made


async def test_a_dead_service_is_restarted_proven_well_and_the_incident_resolved(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        incident = await scene.incident()
        assert (incident.status, incident.attempts) == (Status.RESOLVED, 1)
        assert scene.done == [("fake.restart", "api")]
        assert "healed by restart: healthy" in incident.reason


async def test_the_timeline_tells_the_whole_story_in_order_each_with_its_reason(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        told = await scene.events()
        assert [event.kind for event in told] == [
            "opened", "investigating", "diagnosis", "plan", "decision", "remediating", "step", "proven", "verifying",
            "healthy", "resolved",
        ]  # fmt: skip
        assert [event.at for event in told] == sorted(event.at for event in told)
        assert all(event.says for event in told)
        says = {event.kind: event.says for event in told}
        assert says["diagnosis"] == "down: api is stopped (98% sure)"
        assert says["plan"] == "restart is for down; it was not used for this before"
        assert says["decision"] == "allow: every rule allows it"
        assert says["step"] == "restart: fake.restart on api"
        assert says["proven"].startswith("restart: restarted api; healthy, running after")
        assert "has stayed so for" in says["healthy"]
        assert await scene.store.read(events.broken_link) is None


async def test_what_was_done_is_kept_for_the_statistics(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        [attempt] = await scene.attempts()
        assert (attempt.outcome, attempt.kind, attempt.risk) == (Outcome.HEALED, "down", "safe")
        assert attempt.started_at is not None
        assert attempt.ended_at is not None
        assert len(attempt.decision.verdicts) == 17
        [success] = await scene.store.read(attempts.success)
        assert (success.action, success.done, success.ok, success.verified) == ("fake.restart", 1, 1, 1)
        [notice] = await scene.store.read(outbox.latest)
        assert notice.kind == "healed"


async def test_a_service_that_was_healed_before_the_agent_looked_is_left_alone(set_scene: Set) -> None:
    async with set_scene() as scene:
        await scene.deliver(alert())
        await scene.run()
        incident = await scene.incident()
        assert (incident.status, incident.reason) == (Status.RESOLVED, "it recovered by itself")
        assert scene.done == []


async def test_a_false_alarm_from_outside_is_waited_for_and_then_told_to_a_person(set_scene: Set) -> None:
    async with set_scene() as scene:
        await outside(scene)
        await scene.run(200)
        assert (await scene.incident()).status is Status.INVESTIGATING
        await scene.run()
        incident = await scene.incident()
        assert incident.status is Status.ESCALATED
        assert "api is well by every check here, but 1 alert(s) from outside still fire" in incident.reason
        assert scene.done == []
        assert (await scene.kinds()).count("well") == 1


async def test_a_false_alarm_that_clears_ends_at_once(set_scene: Set) -> None:
    async with set_scene() as scene:
        firing = await outside(scene)
        await scene.run(20)
        await scene.resolve(firing)
        await scene.run()
        assert (await scene.incident()).status is Status.RESOLVED
        assert scene.done == []


NAMES = ("ServiceDown", "TargetUnhealthy", "Unreachable", "PodCrashLooping", "ProcessOOMKilled", "Weird", "DnsBroken")


@searching(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(("poller", "alertmanager"))), min_size=1, max_size=4))
async def test_whatever_alerts_say_a_healthy_service_is_never_touched(
    set_scene: Set, said: list[tuple[str, str]]
) -> None:
    async with set_scene(runbooks=[runbook("any", "fake.restart", kinds=tuple(FAULTS))]) as scene:
        for name, source in said:
            await scene.deliver(alert(name, source=source))
            await scene.run(7)
        await scene.run(400)
        assert scene.done == []
        assert all(one.status in (Status.RESOLVED, Status.ESCALATED) for one in await scene.incidents())


async def test_a_service_that_is_starting_is_waited_for_and_not_restarted_again(set_scene: Set) -> None:
    async with set_scene() as scene:
        service = scene.world.services["api"]
        service.since, service.healthy = scene.clock.now(), False
        await scene.deliver(alert("TargetUnhealthy"))
        await scene.run(20)
        assert (await scene.incident()).status is Status.INVESTIGATING
        service.healthy = True
        await scene.run()
        assert (await scene.incident()).status is Status.RESOLVED
        assert scene.done == []
        diagnoses = [event.says for event in await scene.events() if event.kind == "diagnosis"]
        assert len(diagnoses) == 2


async def test_a_service_that_never_comes_up_is_acted_on_when_its_start_period_is_over(set_scene: Set) -> None:
    async with set_scene() as scene:
        service = scene.world.services["api"]
        service.since, service.healthy = scene.clock.now(), False
        await scene.deliver(alert("TargetUnhealthy"))
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert scene.world.done[0].at >= START + timedelta(seconds=30)


async def test_a_claimed_crash_loop_is_not_taken_for_a_slow_start(set_scene: Set) -> None:
    told = runbook("told", "fake.read", kinds=("crash_loop",)).with_(steps=())
    async with set_scene(runbooks=[RESTART, told]) as scene:
        service = scene.world.services["api"]
        service.since, service.healthy = scene.clock.now(), False
        await scene.deliver(alert("PodCrashLooping"))
        await scene.run(1)
        assert (await scene.incident()).status is Status.ESCALATED
        assert scene.done == []


async def test_a_plan_that_is_not_proven_is_a_strike_and_the_next_best_runbook_follows_after_a_rest(
    set_scene: Set,
) -> None:
    async with set_scene(runbooks=[RESTART, START_IT]) as scene:
        service = scene.world.services["api"]
        service.starts_healthy = False
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(45)
        assert scene.done == [("fake.restart", "api")]
        [failed] = [one for one in await scene.attempts() if one.ended_at and one.started_at]
        assert failed.outcome is Outcome.FAILED
        scene.world.kill("api")
        service.starts_healthy = True
        await scene.run()
        assert scene.done == [("fake.restart", "api"), ("fake.start", "api")]
        assert scene.world.done[1].at - failed.ended_at >= timedelta(seconds=60)  # type: ignore[operator]
        assert (await scene.incident()).status is Status.RESOLVED


async def test_what_did_not_help_is_taken_back_where_it_can_be(set_scene: Set) -> None:
    deploy = runbook("new", "fake.deploy", args={"image": "shop/app:3"}, undo=True)
    async with set_scene(runbooks=[deploy], **TRUST_ALL) as scene:
        service = scene.world.services["api"]
        service.starts_healthy = False
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert scene.done == [("fake.deploy", "api"), ("fake.deploy", "api")]
        assert service.image == "shop/app:2"
        [attempt] = await scene.attempts()
        assert attempt.outcome is Outcome.UNDONE
        assert "took back: deploy" in attempt.says
        assert "undo" in await scene.kinds()
        [success] = await scene.store.read(attempts.success)
        assert (success.verified, success.undone) == (0, 1)


async def test_three_strikes_end_the_trying_and_call_a_person_with_reason_and_next_steps(set_scene: Set) -> None:
    again = [RESTART.with_(name=f"restart {number}", priority=-number) for number in range(5)]
    async with set_scene(runbooks=again, deadline=timedelta(hours=1)) as scene:
        scene.world.services["api"].starts_healthy = False
        scene.world.kill("api")
        await scene.deliver(alert())
        for _ in range(6):
            await scene.run(240)
            scene.world.kill("api")
        incident = await scene.incident()
        assert scene.done == [("fake.restart", "api")] * 3
        assert incident.status is Status.ESCALATED
        assert "3 of 3 strikes within 60 min: it was tried and did not help" in incident.reason
        assert "Would have done on api: fake.restart (restart)" in incident.reason
        assert incident.next_steps[0] == "Look at api."
        assert any("devops-agent guide INC-1" in step for step in incident.next_steps)
        assert [notice.kind for notice in await scene.store.read(outbox.latest)] == ["escalated"]


async def test_without_a_runbook_a_person_is_called_at_once(set_scene: Set) -> None:
    async with set_scene(runbooks=[]) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(1)
        assert "no runbook is for down on fake" in (await scene.incident()).reason
        assert (await scene.incident()).status is Status.ESCALATED


@pytest.mark.parametrize(("severity", "kinds"), [("critical", ["found", "escalated"]), ("warning", ["escalated"] * 2)])
async def test_who_has_an_incident_is_called_again_only_when_it_gets_worse(
    set_scene: Set, severity: str, kinds: list[str]
) -> None:
    async with set_scene(runbooks=[]) as scene:
        await scene.deliver(alert("HighLatency", source="alertmanager", at=scene.clock, severity=severity))
        await scene.run(40)
        scene.world.kill("api")
        await scene.deliver(alert("ServiceDown", at=scene.clock))
        await scene.run(40)
        told = await scene.store.read(lambda rows: outbox.of_incident(rows, "INC-1"))
        assert [notice.kind for notice in told] == kinds


async def test_a_service_that_was_healed_three_times_and_dies_again_is_a_crash_loop(set_scene: Set) -> None:
    rollback = runbook("back", "fake.rollback", kinds=("crash_loop",))
    async with set_scene(runbooks=[RESTART, rollback]) as scene:
        for number in range(4):
            scene.world.kill("api")
            await scene.deliver(alert(at=scene.clock))
            await scene.run()
            assert len(await scene.attempts()) == number + 1
            await scene.run(30)
        assert scene.done == [("fake.restart", "api")] * 3
        incident = await scene.incident()
        assert incident.status is Status.AWAITING_APPROVAL
        last = (await scene.attempts())[-1]
        assert (last.kind, last.plan.runbook) == ("crash_loop", "back")


async def test_alerts_from_outside_are_waited_for_and_the_resolved_one_closes(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        firing = await outside(scene)
        await scene.run(60)
        assert (await scene.incident()).status is Status.VERIFYING
        assert scene.done == [("fake.restart", "api")]
        await scene.resolve(firing)
        await scene.run(1)
        incident = await scene.incident()
        assert incident.status is Status.RESOLVED
        [attempt] = await scene.attempts()
        assert attempt.outcome is Outcome.HEALED


async def test_done_but_still_firing_at_the_deadline_is_a_failure(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        await outside(scene)
        await scene.run(302)
        [attempt] = await scene.attempts()
        assert attempt.outcome is Outcome.FAILED
        assert "1 alert(s) still fire: done but still firing" in attempt.says
        await scene.run(400)
        assert (await scene.incident()).status is Status.ESCALATED
        assert scene.done == [("fake.restart", "api")]


async def test_a_relapse_while_outside_alerts_are_waited_for_is_acted_on_at_once(set_scene: Set) -> None:
    async with set_scene(runbooks=[RESTART, START_IT]) as scene:
        scene.world.kill("api")
        firing = await outside(scene)
        await scene.run(60)
        scene.world.kill("api")
        await scene.deliver(alert("TargetDown", at=scene.clock))
        await scene.run(120)
        assert scene.done == [("fake.restart", "api"), ("fake.start", "api")]
        await scene.resolve(firing)
        await scene.run(10)
        assert (await scene.incident()).status is Status.RESOLVED


async def test_an_action_that_fails_is_tried_again_as_often_as_its_step_allows(set_scene: Set) -> None:
    async with set_scene(runbooks=[runbook("restart", "fake.restart", retries=2)]) as scene:
        scene.actuator.will(Trouble(fails="the socket is away", times=2))
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert (await scene.incident()).status is Status.RESOLVED
        assert [event.says for event in await scene.events() if event.kind == "failed"] == [
            "restart: the socket is away"
        ] * 2


async def test_an_action_that_hangs_ends_at_its_timeout(set_scene: Set) -> None:
    async with set_scene(runbooks=[runbook("restart", "fake.restart", timeout=timedelta(seconds=10))]) as scene:
        scene.actuator.will(Trouble(hangs=True))
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert scene.done == []
        assert "gave no answer within 10 s" in (await scene.attempts())[0].says


async def test_a_whole_remediation_ends_at_its_deadline(set_scene: Set) -> None:
    slow = runbook("slow", "fake.restart", retries=9, proof=HEALTHY.with_(within=timedelta(minutes=2)))
    async with set_scene(runbooks=[slow]) as scene:
        scene.world.services["api"].starts_healthy = False
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(900)
        [attempt] = [one for one in await scene.attempts() if one.started_at]
        assert attempt.ended_at is not None
        assert attempt.started_at is not None
        assert attempt.ended_at - attempt.started_at <= timedelta(seconds=302)
        assert len(scene.done) == 3
        assert (await scene.incident()).status is Status.ESCALATED


async def test_readings_over_their_limit_are_brought_back_into_band(set_scene: Set) -> None:
    disk = HEALTHY.with_(in_band=("disk_cleanup_percent",))
    async with set_scene(runbooks=[runbook("tidy", "fake.clean", kinds=("disk_filling",), proof=disk)]) as scene:
        scene.world.services["api"].readings["disk_percent"] = 91.0
        await scene.deliver(alert("DiskFilling"))
        await scene.run()
        assert scene.done == [("fake.clean", "api")]
        assert (await scene.incident()).status is Status.RESOLVED
        assert "disk_percent under 75" in (await scene.incident()).reason
        proven = next(event for event in await scene.events() if event.kind == "proven")
        assert proven.data["result"] == {"bytes_freed": 1_000_000}


async def test_an_alert_about_something_unknown_is_told_to_a_person(set_scene: Set) -> None:
    async with set_scene() as scene:
        await scene.deliver(alert(target="stranger"))
        await scene.run(1)
        incident = await scene.incident()
        assert incident.status is Status.ESCALATED
        assert "no target is known as 'stranger'" in incident.reason
        assert "agent.yaml" in incident.next_steps[0]


async def test_an_alert_about_the_agent_itself_is_told_and_never_acted_on(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.kill("api")
        await scene.deliver(alert("DevopsAgentDown"))
        await scene.run(400)
        incident = await scene.incident()
        assert (incident.status, incident.kind) == (Status.ESCALATED, "self")
        assert scene.done == []


async def test_a_target_that_is_only_watched_is_told_to_a_person(set_scene: Set) -> None:
    restart = runbook("restart", "{via}.restart")
    async with set_scene(target(via="", ref="api"), runbooks=[restart]) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run(1)
        assert "nothing acts on the target 'api'; it is only watched" in (await scene.incident()).reason


async def test_an_unhealthy_service_that_runs_is_restarted(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.world.services["api"].healthy = False
        await scene.deliver(alert("TargetUnhealthy"))
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert (await scene.incident()).status is Status.RESOLVED


async def test_a_service_that_is_gone_altogether_fails_its_restart_and_is_told(set_scene: Set) -> None:
    async with set_scene() as scene:
        del scene.world.services["api"]
        await scene.deliver(alert())
        await scene.run(200)
        assert (await scene.incident()).status is Status.ESCALATED
        scene.world.services["api"] = FakeService()


async def test_a_step_that_is_not_needed_is_left_out_and_told(set_scene: Set) -> None:
    book = RESTART.with_(steps=(RESTART.steps[0].with_(name="first", only_if="state.running == true"), *RESTART.steps))
    async with set_scene(runbooks=[book]) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert next(event.says for event in await scene.events() if event.kind == "skipped").startswith("first: not")


async def test_the_shipped_runbook_heals_a_dead_service(set_scene: Set) -> None:
    async with set_scene(runbooks=shipped()) as scene:
        scene.world.kill("api")
        await scene.deliver(alert())
        await scene.run()
        assert scene.done == [("fake.restart", "api")]
        assert (await scene.incident()).status is Status.RESOLVED
