"""The limits on acting, seen from outside: what is done, what is held back, and what is said about it."""

from datetime import timedelta
from itertools import pairwise

import pytest

from devops_agent.config.settings import Breaker, Maintenance, Strikes, Watchdog
from devops_agent.engine import commands
from devops_agent.kit.testing import FakeActuator, StrictGuardian
from devops_agent.model.attempt import Outcome
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.incident import Status
from devops_agent.model.target import Target, Trust
from devops_agent.ports import PluginError
from devops_agent.store import heartbeats, outbox
from tests.engine.conftest import Set
from tests.engine.site import RESTART, Scene, alert, runbook, target

HOUR = timedelta(hours=1)


async def fall(scene: Scene, *names: str) -> None:
    """Let services die and their alerts come in, all at once."""
    for name in names:
        scene.world.kill(name)
    await scene.deliver(*(alert(target=name, at=scene.clock) for name in names))


async def held(scene: Scene, id_: str = "INC-1") -> list[str]:
    """Return what the timeline says of being held back."""
    return [event.says for event in await scene.events(id_) if event.kind == "held"]


def many(count: int, **changes: object) -> list[Target]:
    return [target(f"s{number}", **changes) for number in range(count)]


async def test_what_the_agent_depends_on_is_refused_before_anything_is_done(set_scene: Set) -> None:
    guardian = StrictGuardian(Protected(what="its database", why="it keeps the journal", is_=_named("api")))
    async with set_scene(guardian=guardian) as scene:
        await fall(scene, "api")
        await scene.run()
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert "never touched: its database (it keeps the journal)" in incident.reason
        [attempt] = await scene.attempts()
        assert (attempt.decision.rule, attempt.outcome, attempt.started_at) == ("never_touch", Outcome.DENIED, None)


async def test_what_becomes_protected_after_the_decision_is_refused_by_the_plugin(set_scene: Set) -> None:
    async with set_scene() as scene:

        def protect(name: str) -> None:
            if name == "begun 1 restart":
                scene.guardian.protected = (Protected(what="its database", why="test", is_=_named("api")),)

        scene.boundary = protect
        await fall(scene, "api")
        await scene.run()
        assert scene.done == []
        assert "never touched: its database (test)" in [e.says for e in await scene.events() if e.kind == "failed"][-1]


async def test_a_plan_that_would_write_into_a_protected_folder_is_refused_whatever_its_name(set_scene: Set) -> None:
    paths = Identity(paths=frozenset({"/var/lib/agent"}))
    guardian = StrictGuardian(Protected(what="its folder", why="test", is_=paths))
    tidy = runbook("tidy", "fake.clean", kinds=("down",), args={"path": "/var/lib/agent/logs"})
    async with set_scene(runbooks=[tidy], guardian=guardian) as scene:
        await fall(scene, "api")
        await scene.run()
        assert scene.done == []
        assert "never touched: its folder" in (await scene.incident()).reason


@pytest.mark.parametrize(
    ("managed", "by_default", "says"),
    [
        (None, False, "api is not opted in: set the label devops-agent.enable=true"),
        (False, False, "api is opted out by"),
        (False, True, "api is opted out by"),
    ],
)
async def test_only_what_somebody_opted_in_is_acted_on_and_an_opt_out_wins(
    set_scene: Set,
    *,
    managed: bool | None,
    by_default: bool,
    says: str,
) -> None:
    async with set_scene(target(managed=managed), managed_by_default=by_default) as scene:
        await fall(scene, "api")
        await scene.run()
        incident = await scene.incident()
        assert (scene.done, incident.status) == ([], Status.ESCALATED)
        assert says in incident.reason


async def test_with_trust_observe_it_only_says_what_it_would_do(set_scene: Set) -> None:
    async with set_scene(trust=Trust.OBSERVE) as scene:
        await fall(scene, "api")
        await scene.run()
        assert scene.done == []
        assert "the trust set for api is observe. Would have done" in (await scene.incident()).reason
        assert (await scene.attempts())[0].outcome is Outcome.WOULD


async def test_in_a_storm_nothing_is_done_until_it_is_over(set_scene: Set) -> None:
    async with set_scene(*many(8)) as scene:
        await fall(scene, *(f"s{number}" for number in range(6)))
        await scene.run(100)
        assert scene.done == []
        assert (await held(scene))[0].startswith("storm: 6 of 8 targets are in trouble, so the cause is elsewhere")
        for number in range(2, 6):
            service = scene.world.services[f"s{number}"]
            service.running = service.healthy = True
        await scene.run(100)
        assert sorted(scene.done) == [("fake.restart", "s0"), ("fake.restart", "s1")]
        assert all(one.closed for one in await scene.incidents())


async def test_a_storm_gives_one_notice_and_leaves_no_trail_of_repeats_in_the_timeline(set_scene: Set) -> None:
    async with set_scene(*many(6)) as scene:
        await fall(scene, *(f"s{number}" for number in range(6)))
        await scene.run(600)
        assert len(await scene.events()) < 10
        notices = await scene.store.read(outbox.latest)
        assert [notice.kind for notice in notices] == ["storm"]
        assert notices[0].message["says"].startswith("storm: 6 of 6 targets are in trouble")


async def test_only_so_many_plans_are_under_way_at_once_and_the_others_follow(set_scene: Set) -> None:
    async with set_scene(*many(4), concurrent=1) as scene:
        for number in range(4):
            scene.world.services[f"s{number}"].starts_healthy = False
        await fall(scene, "s0", "s1", "s2", "s3")
        await scene.run(30)
        assert len(scene.done) == 1
        for number in range(4):
            service = scene.world.services[f"s{number}"]
            service.starts_healthy = True
            if service.running:
                service.healthy = True
        await scene.run(120)
        assert len(scene.done) == 4
        assert all(one.closed for one in await scene.incidents())


async def test_a_plan_that_has_healed_makes_room_for_the_next_while_alerts_are_waited_for(set_scene: Set) -> None:
    async with set_scene(*many(2), concurrent=1) as scene:
        scene.world.kill("s0")
        await scene.deliver(alert(target="s0", source="alertmanager"))
        await scene.run(20)
        assert (await scene.incident()).status is Status.VERIFYING
        await fall(scene, "s1")
        await scene.run(20)
        assert scene.done[-1] == ("fake.restart", "s1")


async def test_enough_members_of_a_group_stay_well(set_scene: Set) -> None:
    members = many(4, group="web", min_healthy=0.75)
    async with set_scene(*members, storm_count=9) as scene:
        scene.world.services["s0"].readings["memory_percent"] = 95.0
        scene.world.kill("s1")
        await scene.deliver(alert("MemoryPressure", "s0"))
        await scene.run(60)
        assert scene.done == []
        assert (await held(scene))[0].startswith("2 of 4 members of its group are well, 3 are needed besides it")
        service = scene.world.services["s1"]
        service.running = service.healthy = True
        await scene.run(30)
        assert scene.done == [("fake.restart", "s0")]


async def test_a_group_that_is_down_altogether_may_be_brought_back(set_scene: Set) -> None:
    async with set_scene(*many(2, group="web"), storm_count=9) as scene:
        await fall(scene, "s0", "s1")
        await scene.run(60)
        assert sorted(scene.done) == [("fake.restart", "s0"), ("fake.restart", "s1")]


async def test_only_so_many_plans_are_begun_in_an_hour(set_scene: Set) -> None:
    async with set_scene(*many(3), actions_per_hour=2) as scene:
        await fall(scene, "s0", "s1")
        await scene.run()
        await fall(scene, "s2")
        await scene.run(60)
        assert len(scene.done) == 2
        assert (await held(scene, "INC-3"))[0].startswith("2 of 2 plans in the last hour")
        await scene.run_later(3600)
        assert len(scene.done) == 3


async def test_the_rest_after_a_plan_that_did_not_help_doubles_with_each(set_scene: Set) -> None:
    books = [RESTART.with_(name=f"b{number}", priority=-number) for number in range(4)]
    async with set_scene(runbooks=books, deadline=HOUR, strikes=Strikes(count=9)) as scene:
        scene.world.services["api"].starts_healthy = False
        await fall(scene, "api")
        await scene.run(900)
        tried = [one for one in await scene.attempts() if one.started_at and one.ended_at]
        rests = [
            (after.started_at - before.ended_at).total_seconds()  # type: ignore[operator]
            for before, after in pairwise(tried)
        ]
        assert [round(rest / 60) for rest in rests] == [1, 2, 4]


async def test_a_breaker_opens_tells_a_person_and_lets_one_trial_through_after_its_time(set_scene: Set) -> None:
    guard = {"strikes": Strikes(count=99), "breaker": Breaker(failures=2, open_for=2 * HOUR), "cooldown": timedelta(0)}
    async with set_scene(**guard) as scene:
        service = scene.world.services["api"]
        service.starts_healthy = False
        for _ in range(2):
            await fall(scene, "api")
            await scene.run()
            [*_, last] = await scene.incidents()
            now = scene.clock.now()
            await scene.command(
                lambda rows, id_=last.id, now=now: commands.resolve(rows, id_, by="a", comment="", now=now)  # type: ignore[misc]
            )
            await scene.run_later(600)
        assert len(scene.done) == 2
        await fall(scene, "api")
        await scene.run()
        [*_, last] = await scene.incidents()
        assert last.status is Status.ESCALATED
        assert "after 2 failures in a row. Would have done on api" in last.reason
        service.starts_healthy = True
        await scene.run_later(7200)
        assert len(scene.done) == 3
        assert (await scene.incident(last.id)).closed
        decision = (await scene.attempts(last.id))[-1].decision
        assert next(v.reason for v in decision.verdicts if v.rule == "breaker").startswith("half open")


async def test_while_the_alert_that_always_fires_is_missing_nothing_is_done(set_scene: Set) -> None:
    async with set_scene() as scene:
        scene.settings = scene.settings.with_(watchdog=Watchdog(within=timedelta(minutes=2)))
        await scene.deliver(alert("Watchdog", ""))
        await scene.run_later(300)
        await fall(scene, "api")
        await scene.run(20)
        assert scene.done == []
        assert (await held(scene))[0].startswith("frozen: the alert that always fires is overdue by")
        await scene.deliver(alert("Watchdog", "", at=scene.clock))
        await scene.run(40)
        assert scene.done == [("fake.restart", "api")]
        assert heartbeats.WATCHDOG in await scene.store.read(heartbeats.all_)


async def test_in_a_maintenance_window_that_opens_later_the_response_is_held_back_and_nobody_is_told(
    set_scene: Set,
) -> None:
    window = Maintenance(targets=("a*",), cron="0 12 * * *", lasts=timedelta(minutes=10), reason="the weekly update")
    async with set_scene() as scene:
        await fall(scene, "api")
        scene.settings = scene.settings.with_(maintenance=(window,))
        await scene.run(590)
        assert scene.done == []
        assert (await held(scene))[0].startswith("the weekly update (maintenance) until 12:10 UTC")
        assert await scene.store.read(outbox.latest) == []
        await scene.run(30)
        assert scene.done == [("fake.restart", "api")]


async def test_a_silence_holds_back_what_is_open_already(set_scene: Set) -> None:
    async with set_scene() as scene:
        await fall(scene, "api")
        now = scene.clock.now()
        await scene.command(
            lambda rows: commands.silence(
                rows, matchers={"target": "api"}, by="alice", comment="I am on it", now=now, ends_at=now + HOUR
            )
        )
        await scene.run(60)
        assert scene.done == []
        assert (await held(scene))[0].startswith("I am on it (SIL-1)")


async def test_an_action_that_reaches_beyond_its_target_is_asked_for(set_scene: Set) -> None:
    erase = runbook("erase", "fake.erase")
    async with set_scene(runbooks=[erase], dangerous=Trust.AUTO) as scene:
        await fall(scene, "api")
        await scene.run()
        assert (await scene.incident()).status is Status.AWAITING_APPROVAL
        assert "the target's whole group, more than the target" in (await scene.incident()).reason


async def test_who_is_not_sure_asks(set_scene: Set) -> None:
    guess = runbook("guess", "fake.restart", kinds=("unknown",))
    async with set_scene(target(checks=()), runbooks=[guess], plugin=Blind) as scene:
        scene.world.services["api"].running = True
        scene.probe.unreachable.add("api")
        await scene.deliver(alert("SomethingOdd"))
        await scene.run()
        assert (await scene.incident()).status is Status.AWAITING_APPROVAL
        assert "30% sure of the cause, 50% is needed" in (await scene.incident()).reason


async def test_an_incident_that_was_tried_at_for_too_long_is_a_persons(set_scene: Set) -> None:
    books = [RESTART.with_(name=f"b{number}", priority=-number) for number in range(5)]
    async with set_scene(runbooks=books, strikes=Strikes(count=9), cooldown=timedelta(seconds=90)) as scene:
        scene.world.services["api"].starts_healthy = False
        await fall(scene, "api")
        await scene.run(900)
        incident = await scene.incident()
        assert incident.status is Status.ESCALATED
        assert "of trying, 5 min is the limit" in incident.reason
        assert len(scene.done) == 2


class Blind(FakeActuator):
    """Cannot see the state of anything."""

    async def observe(self, target: Target) -> State:
        raise PluginError("its state cannot be seen")


def _named(name: str) -> Identity:
    return Identity(names=frozenset({name}))
