"""Whatever happens in whatever order: nobody is told too much, nobody is forgotten, a crash repeats nothing."""

from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from devops_agent.engine import escalation
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Policy, Route, Rung
from devops_agent.model.incident import Status
from devops_agent.model.routing import HOUR
from devops_agent.store import approvals, escalations, incidents
from devops_agent.store.rows import Rows
from tests.effort import examples
from tests.engine.taking_in import one_transaction, undone
from tests.workers.mailroom import Got, Mailroom, channels, notify, people

_REMIND = timedelta(minutes=30)
_LIMIT = 6
_RUNGS = ("alice", "bob", "carol")
_POLICY = Policy(
    name="ladder",
    rungs=tuple(Rung(tell=(name,), wait=timedelta(minutes=7)) for name in _RUNGS),
)
_NOTIFY = notify(
    channels=channels("slack", *(f"{name}-sms" for name in _RUNGS)),
    people=people(*_RUNGS, per_hour=_LIMIT),
    policies=(_POLICY,),
    routes=(Route(kinds=("escalated", "approval"), tell=("slack",), policy="ladder"), Route(tell=("slack",))),
    remind_every=_REMIND,
    group_window=timedelta(seconds=2),
)
_CALLS = ("escalated", "approval", "climbed", "reminder", "unmuted", "handed_over")
_SEVERITIES = st.sampled_from([Severity.CRITICAL, Severity.WARNING])


class Ladders(RuleBasedStateMachine):
    """A few incidents, three people on a ladder, and a postman that is killed now and then."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._example = undone(rows)
        self._example.__enter__()
        self.room = Mailroom(rows, _NOTIFY)
        self.taken: dict[str, int] = {}
        """Incident → number of messages that there were when it was acknowledged, and nothing asked since."""
        self.called: set[str] = set()
        """Incidents that need a person, critical ones."""

    def teardown(self) -> None:
        self._example.__exit__(None, None, None)

    @property
    def unresolved(self) -> list[str]:
        return sorted(one.id for one in incidents.open_ones(self.room.rows))

    @rule(severity=_SEVERITIES, parent=st.booleans())
    def open_and_escalate(self, severity: Severity, *, parent: bool) -> None:
        if len(self.unresolved) > 12:
            return
        above = self.unresolved[0] if parent and self.unresolved else ""
        incident = self.room.open(f"t{len(self.unresolved)}", severity=severity, parent=above)
        self.room.escalate(incident)
        self.called.add(incident.id)

    @precondition(lambda self: bool(self.unresolved))
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        incident = incidents.get(self.room.rows, data.draw(st.sampled_from(self.unresolved)))
        assert incident is not None
        if incident.status is not Status.AWAITING_APPROVAL:
            self.room.ask(incident)
            self.taken.pop(incident.id, None)

    @precondition(lambda self: bool(approvals.pending(self.room.rows)))
    @rule()
    def answer(self) -> None:
        asked = approvals.pending(self.room.rows)[0]
        self.room.answer(asked.id)
        self.called.discard(asked.incident)

    @precondition(lambda self: bool(self.unresolved))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(self.unresolved))
        escalation.acknowledge(self.room.rows, id_, by="alice", now=self.room.now)
        self.taken[id_] = len(self.room.got)
        self.called.discard(id_)

    @precondition(lambda self: bool(self.unresolved))
    @rule(data=st.data(), to=st.sampled_from(_RUNGS))
    def hand_over(self, data: st.DataObject, to: str) -> None:
        id_ = data.draw(st.sampled_from(self.unresolved))
        escalation.hand_over(self.room.rows, id_, to=to, by="alice", notify=_NOTIFY, now=self.room.now)
        self.taken.pop(id_, None)

    @precondition(lambda self: bool(self.unresolved))
    @rule(data=st.data(), minutes=st.integers(1, 90))
    def mute(self, data: st.DataObject, minutes: int) -> None:
        id_ = data.draw(st.sampled_from(self.unresolved))
        until = self.room.now + timedelta(minutes=minutes)
        escalation.mute(self.room.rows, incident=id_, by="bob", until=until, notify=_NOTIFY, now=self.room.now)
        self.called.discard(id_)

    @precondition(lambda self: bool(self.unresolved))
    @rule(data=st.data(), told=st.booleans())
    def heal(self, data: st.DataObject, *, told: bool) -> None:
        incident = incidents.get(self.room.rows, data.draw(st.sampled_from(self.unresolved)))
        assert incident is not None
        self.room.heal(incident, told=told)
        self.called.discard(incident.id)

    @rule(minutes=st.integers(1, 100))
    def pass_time(self, minutes: int) -> None:
        self.room.pass_time(minutes)

    @rule()
    def crash(self) -> None:
        """What a killed postman had not committed is undone, and done again."""
        rows, before = self.room.rows, len(self.room.got)
        rows.run("SAVEPOINT killed")
        first = self.room.turn(seconds=3)
        rows.run("ROLLBACK TO SAVEPOINT killed")
        rows.run("RELEASE SAVEPOINT killed")
        del self.room.got[before:]
        assert self.room.turn() == first
        assert self.room.turn() == []

    @invariant()
    def nobody_is_called_who_need_not_be(self) -> None:
        for id_, before in self.taken.items():
            calls = [one for one in self.room.got[before:] if one.notice.incident == id_ and one.kind in _CALLS]
            assert calls == [], f"{id_} was taken, and {calls[0]} was told"

    @invariant()
    def no_rung_is_told_twice_or_left_out(self) -> None:
        rungs: dict[str, list[int]] = {}
        for one in self.room.got:
            if one.kind == "climbed":
                _, _, number, step = one.notice.key.split("/")
                rungs.setdefault(number, []).append(int(step.partition(".")[2]))
        for steps in rungs.values():
            assert steps == sorted(set(steps))
        for row in self.room.rows.all("SELECT key FROM outbox WHERE kind = 'climbed'"):
            incident, _, number, step = str(row["key"]).split("/")
            below = int(step.partition(".")[2]) - 1
            if below > 0:
                key = f"{incident}/climbed/{number}/0.{below}"
                handed = self.room.rows.one("SELECT 1 AS n FROM outbox WHERE key = :key", key=key)
                assert handed or _began_higher(self.room, incident), f"a rung is missing below {row['key']}"

    @invariant()
    def nobody_gets_more_in_an_hour_than_the_limit_but_for_what_is_critical(self) -> None:
        for name in _RUNGS:
            got = self.room.messages(f"{name}-sms")
            for last in got:
                hour = [one for one in got if last.at - HOUR < one.at <= last.at]
                plain = [one for one in hour if one.notice.severity is not Severity.CRITICAL]
                assert not plain or len(hour) <= _LIMIT or _pressed(hour), [str(one) for one in hour]

    @invariant()
    def everything_critical_reaches_somebody(self) -> None:
        """After its window, what needs a person was told, or is a line of what was told, or waits for its turn."""
        if self.room.now.microsecond >= 0 and self._unrouted():
            return
        for id_ in self.called:
            living = escalations.living(self.room.rows, id_)
            latest = escalations.latest(self.room.rows, id_)
            assert living or latest, f"{id_} needs a person, and nobody was called"

    def _unrouted(self) -> bool:
        return self.room.rows.one("SELECT 1 AS n FROM outbox WHERE routed_at IS NULL") is not None


def _pressed(hour: list[Got]) -> bool:
    """Whether those above the limit were critical: they pass, each once in a while."""
    return len([one for one in hour if one.notice.severity is not Severity.CRITICAL]) <= _LIMIT


def _began_higher(room: Mailroom, incident: str) -> bool:
    """Whether the ladder was taken up again where an earlier one of the incident stood."""
    row = room.rows.one("SELECT count(*) AS n FROM escalations WHERE incident = :incident", incident=incident)
    return row is not None and int(row["n"]) > 1


@pytest.mark.slow
def test_ladders(tmp_path: Path) -> None:
    with one_transaction(tmp_path) as rows:

        class Here(Ladders):
            def __init__(self) -> None:
                super().__init__(rows)

        how = settings(max_examples=examples(25), stateful_step_count=15, deadline=None)
        run_state_machine_as_test(Here, settings=how)
