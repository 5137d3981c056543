"""The smaller records: notices, attempts and actions, targets, heartbeats, evidence."""

from datetime import datetime, timedelta

from devops_agent.kit.testing import START
from devops_agent.model.action import Proof, Step
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import ActionDone, Attempt, Outcome
from devops_agent.model.decision import Decision, Permission, Verdict
from devops_agent.model.evidence import Evidence
from devops_agent.model.notice import Notice
from devops_agent.model.runbook import Plan
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Check, Target
from devops_agent.store import Store, attempts, evidence, heartbeats, outbox, runs, targets
from devops_agent.store.heartbeats import Heartbeat
from devops_agent.store.rows import Rows


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def notice(key: str) -> Notice:
    return Notice(
        key=key,
        incident="INC-1",
        kind="escalated",
        severity=Severity.CRITICAL,
        message={"title": "api is down", "next_steps": ["look"]},
        created_at=START,
    )


async def test_the_same_notice_is_put_once(store: Store) -> None:
    assert await store.write(lambda rows: outbox.put(rows, notice("INC-1/escalated")))
    assert not await store.write(lambda rows: outbox.put(rows, notice("INC-1/escalated")))
    assert await store.write(lambda rows: outbox.put(rows, notice("INC-2/escalated")))
    found = await store.read(outbox.latest)
    assert found == [notice("INC-2/escalated").with_(id=found[0].id), notice("INC-1/escalated").with_(id=found[1].id)]
    assert found[0].id > found[1].id


async def test_a_notice_that_nobody_is_to_be_told_of_is_shown_and_wakes_nobody(store: Store) -> None:
    await store.write(lambda rows: outbox.put(rows, notice("shown"), wakes=False))
    assert await store.read(outbox.pending) == 0
    assert await store.read(outbox.unrouted) == []
    assert await store.read(lambda rows: runs.next_due(rows, outbox.QUEUE)) is None


async def test_notices_wake_the_one_run_that_delivers_until_it_was_decided_who_is_told(store: Store) -> None:
    for key in ("one", "two"):
        await store.write(lambda rows, key=key: outbox.put(rows, notice(key)))  # type: ignore[misc]
    found = await store.read(outbox.unrouted)
    assert [one.key for one in found] == ["one", "two"]
    assert await store.read(outbox.pending) == 2
    claimed = await store.write(
        lambda rows: runs.claim(rows, outbox.QUEUE, owner="me", now=START, lease=timedelta(seconds=30))
    )
    assert claimed is not None
    assert (claimed.job, claimed.key) == (outbox.JOB, outbox.KEY)
    await store.write(lambda rows: outbox.mark_routed(rows, [found[0].id], now=START))
    assert [one.key for one in await store.read(outbox.unrouted)] == ["two"]
    told = await store.read(lambda rows: outbox.get(rows, found[0].id))
    assert told is not None
    assert told.routed_at == START
    assert await store.read(lambda rows: outbox.of_key(rows, "one")) == told


async def test_a_notice_is_not_there_when_the_fact_that_it_tells_is_not(store: Store) -> None:
    def work(rows: Rows) -> None:
        outbox.put(rows, notice("k"))
        raise LookupError

    try:
        await store.write(work)
    except LookupError:
        assert await store.read(outbox.latest) == []


def plan(runbook: str = "restart") -> Plan:
    step = Step(name="restart", action="docker.restart", args={"timeout": 5}, proof=Proof(state="running"))
    return Plan(incident="INC-1", runbook=runbook, target="api", steps=(step,), settle=2.5)


def attempt(target: str = "api", *, minutes: float = 0, runbook: str = "restart", incident: str = "INC-1") -> Attempt:
    verdict = Verdict(rule="trust", permission=Permission.ALLOW, reason="auto")
    return Attempt(
        incident=incident,
        target=target,
        group="web",
        kind="down",
        risk="safe",
        plan=plan(runbook),
        decision=Decision(permission=Permission.ALLOW, rule="trust", reason="auto", verdicts=(verdict,)),
        decided_at=at(minutes),
        outcome=Outcome.ASKED,
        ordered=True,
        says="asked",
        version="1",
    )


async def test_an_attempt_goes_from_decided_to_started_to_ended(store: Store) -> None:
    kept = await store.write(lambda rows: attempts.keep(rows, attempt()))
    assert kept == attempt().with_(id="ATT-1")
    assert await store.read(lambda rows: attempts.get(rows, "ATT-1")) == kept
    await store.write(lambda rows: attempts.start(rows, "ATT-1", now=at(1)))
    await store.write(lambda rows: attempts.start(rows, "ATT-1", now=at(2)))
    await store.write(lambda rows: attempts.end(rows, "ATT-1", Outcome.HEALED, says="well again", now=at(3)))
    found = await store.read(lambda rows: attempts.get(rows, "ATT-1"))
    assert found == kept.with_(started_at=at(1), ended_at=at(3), outcome=Outcome.HEALED, says="well again")
    assert await store.read(lambda rows: attempts.get(rows, "ATT-2")) is None


async def test_attempts_are_listed_in_the_order_in_which_they_were_decided(store: Store) -> None:
    for _ in range(11):
        await store.write(lambda rows: attempts.keep(rows, attempt()))
    found = await store.read(lambda rows: attempts.of_incident(rows, "INC-1"))
    assert [one.id for one in found] == [f"ATT-{number}" for number in range(1, 12)]


async def test_only_what_was_begun_counts_as_started(store: Store) -> None:
    for target, minutes in (("api", 0), ("api", 10), ("db", 20), ("api", None)):
        kept = await store.write(lambda rows, target=target: attempts.keep(rows, attempt(target)))  # type: ignore[misc]
        if minutes is not None:
            await store.write(
                lambda rows, id_=kept.id, minutes=minutes: attempts.start(rows, id_, now=at(minutes))  # type: ignore[misc]
            )

    async def started(since: float, target: str = "") -> list[str]:
        return [o.id for o in await store.read(lambda rows: attempts.started_since(rows, at(since), target=target))]

    assert await started(0) == ["ATT-1", "ATT-2", "ATT-3"]
    assert await started(10) == ["ATT-2", "ATT-3"]
    assert await started(0, "api") == ["ATT-1", "ATT-2"]


def done(key: str, *, target: str = "api", ok: bool = True, verified: bool = True, seconds: float = 2) -> ActionDone:
    return ActionDone(
        key=key,
        attempt="ATT-1",
        incident="INC-1",
        target=target,
        kind="down",
        action="docker.restart",
        step="restart",
        started_at=START,
        ended_at=START + timedelta(seconds=seconds),
        ok=ok,
        verified=verified,
        says="restarted",
    )


async def test_success_of_actions_counts_each_execution_once(store: Store) -> None:
    executions = (
        done("1", verified=False),
        done("1", seconds=4),  # the same execution, of which more is known now
        done("2", ok=False, verified=False, seconds=8),
        done("3", target="db"),
    )
    for one in executions:
        await store.write(lambda rows, one=one: attempts.record_action(rows, one))  # type: ignore[misc]
    await store.write(lambda rows: attempts.mark_undone(rows, "2"))
    api, db = await store.read(attempts.success)
    assert (api.action, api.kind, api.target) == ("docker.restart", "down", "api")
    assert (api.done, api.ok, api.verified, api.undone, api.mean_seconds) == (2, 1, 1, 1, 6.0)
    assert (db.target, db.done, db.mean_seconds) == ("db", 1, 2.0)
    assert await store.read(lambda rows: attempts.success(rows, target="db")) == [db]
    assert await store.read(lambda rows: attempts.success(rows, target="none")) == []


def sighting(name: str, health: Health = Health.WELL, *, minutes: float = 0) -> Sighting:
    target = Target(name=name, via="docker", ref=f"{name}-1", checks=(Check(url="http://localhost"),))
    return Sighting(target=target, health=health, since=START, seen_at=at(minutes), readings={"memory_percent": 12.5})


async def test_a_target_is_shown_as_last_seen(store: Store) -> None:
    await store.write(lambda rows: targets.keep(rows, [sighting("b"), sighting("a")]))
    await store.write(lambda rows: targets.keep(rows, [sighting("a", Health.DOWN, minutes=1)]))
    assert await store.read(targets.all_) == [sighting("a", Health.DOWN, minutes=1), sighting("b")]
    assert await store.read(lambda rows: targets.get(rows, "b")) == sighting("b")
    assert await store.read(lambda rows: targets.get(rows, "c")) is None


async def test_what_a_plugin_needs_beside_the_name_is_not_shown(store: Store) -> None:
    secret = sighting("a")
    secret = secret.with_(target=secret.target.with_(options={"password": "hunter2"}))
    await store.write(lambda rows: targets.keep(rows, [secret]))
    assert "hunter2" not in repr(
        [dict(row) for row in await store.read(lambda rows: rows.all("SELECT * FROM targets"))]
    )


async def test_targets_that_are_watched_no_more_are_forgotten(store: Store) -> None:
    await store.write(lambda rows: targets.keep(rows, [sighting("a"), sighting("b"), sighting("c")]))
    await store.write(lambda rows: targets.forget_others(rows, {"b"}))
    assert [one.target.name for one in await store.read(targets.all_)] == ["b"]


async def test_the_last_sign_of_life_of_each_role_is_kept(store: Store) -> None:
    first = Heartbeat(role="agent", pid=1, version="1", started_at=START, at=START, data={"lateness": 0.5})
    later = first.with_(pid=2, at=at(1), data={})
    web = first.with_(role="web")
    for beat in (first, web, later):
        await store.write(lambda rows, beat=beat: heartbeats.beat(rows, beat))  # type: ignore[misc]
    assert await store.read(heartbeats.all_) == {"agent": later, "web": web}


async def test_evidence_is_kept_in_order_under_ids_that_claims_can_cite(store: Store) -> None:
    seen = [Evidence(source="http", name="health", value=value, at=START) for value in (False, 3, 2.5, "x", None) * 3]
    kept = await store.write(lambda rows: evidence.keep(rows, "INC-1", seen))
    assert [piece.id for piece in kept] == [f"EV-{number}" for number in range(1, 16)]
    assert await store.read(lambda rows: evidence.of_incident(rows, "INC-1")) == kept
    assert await store.read(lambda rows: evidence.of_incident(rows, "INC-2")) == []
