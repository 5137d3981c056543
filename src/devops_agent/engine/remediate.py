"""Remediate: carry out a plan, step by step, each journalled and proven; take back what did not help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from devops_agent.durable.journal import Run, UnclearError
from devops_agent.model.action import Argument, Effect, Proof, Result, Step
from devops_agent.model.attempt import ActionDone, Attempt, Outcome
from devops_agent.model.condition import facts_of, holds, parse_condition
from devops_agent.model.evidence import State
from devops_agent.model.fact import Fact, from_json, to_json
from devops_agent.ports import Actuator, Clock, PluginError
from devops_agent.store import attempts, events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from devops_agent.model.action import Action, Proven
    from devops_agent.model.target import Target
    from devops_agent.model.view import View
    from devops_agent.store.rows import Rows

_MOMENT = timedelta(seconds=1)


class Ended(Fact, kw_only=True):
    """How the carrying out of a plan ended."""

    outcome: Outcome
    says: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hands:
    """What carrying out a plan needs beside the plan."""

    target: Target
    actuator_of: Callable[[str], Actuator]
    actions: Mapping[str, Action]
    look: Callable[[], Awaitable[View]]
    prove: Callable[[Proof], Awaitable[Proven]]
    clock: Clock
    ends_at: datetime
    """When the whole remediation has to be over."""

    def left(self) -> timedelta:
        """Return what is left of the time for the whole remediation."""
        return max(self.ends_at - self.clock.now(), timedelta())


async def carry_out(run: Run, attempt: Attempt, *, hands: Hands) -> Ended:
    """Do the steps in order; on the first that fails, undo what can be undone, the last first."""
    done: list[tuple[str, Step, Result]] = []
    for number, step in enumerate(attempt.plan.steps, 1):
        label = f"{number} {step.name}"
        if not await _needed(run, label, step, attempt, hands):
            continue
        try:
            name, result, proven = await _try_step(run, label, step, attempt, hands)
            if result.ok:
                done.append((name, step, result))
            if (result.ok and proven) or step.go_on:
                continue
            undone = await _undo(run, done, attempt, hands)
        except UnclearError as unclear:
            return Ended(outcome=Outcome.UNCLEAR, says=str(unclear))
        outcome = Outcome.UNDONE if undone else Outcome.FAILED
        return Ended(outcome=outcome, says=f"step {step.name!r} did not help: {result.says}{undone}")
    return Ended(outcome=Outcome.HEALED, says="every step was proven" if done else "no step was needed")


async def _needed(run: Run, label: str, step: Step, attempt: Attempt, hands: Hands) -> bool:
    """Decide once whether the step's condition holds."""
    if not step.only_if:
        return True

    async def decide() -> bool:
        view = await hands.look()
        return holds(parse_condition(step.only_if), facts_of(view.state, view.readings))

    needed = await run.note(f"{label}: needed", decide, kind=bool)
    if not needed:
        says = f"{step.name}: not needed, because not ({step.only_if})"
        await _tell(run, f"{label}: skipped", "skipped", says, attempt, hands)
    return needed


async def _try_step(run: Run, label: str, step: Step, attempt: Attempt, hands: Hands) -> tuple[str, Result, bool]:
    """Execute and prove a step, again as often as it allows; return the last try's name, result and proof."""
    name, result, proven = label, Result(ok=False, says="no time was left for it"), False
    for trial in range(1 + step.retries):
        again = label if trial == 0 else f"{label} (try {trial + 1})"
        begun = await _begin(run, again, step, attempt, hands)
        if begun is None:
            break
        name = again
        result, proven = await _do_once(run, name, step, attempt, hands, begun=begun)
        if result.ok and proven:
            break
    return name, result, proven


async def _begin(run: Run, name: str, step: Step, attempt: Attempt, hands: Hands) -> datetime | None:
    """Tell that a step begins and return when; None when there is no time left for it. Decided once, as all is."""
    said = ", ".join(f"{key}={value}" for key, value in step.args.items())
    begins = f"{step.name}: {step.action}{f' ({said})' if said else ''} on {attempt.target}"

    def begin(rows: Rows) -> str:
        if hands.left() <= timedelta():
            return ""
        now = hands.clock.now()
        events.add(rows, "step", begins, at=now, incident=attempt.incident, target=attempt.target)
        return now.isoformat()

    begun = await run.record(f"{name}: begins", begin, kind=str, tell=("events",))
    return datetime.fromisoformat(begun) if begun else None


async def _do_once(
    run: Run, name: str, step: Step, attempt: Attempt, hands: Hands, *, begun: datetime
) -> tuple[Result, bool]:
    # After a crash time may be over for what has begun: a moment is left to find out what became of it.
    limited = step.with_(timeout=min(step.timeout, max(hands.left(), _MOMENT)))
    work = _Execution(limited, target=hands.target, actuator=hands.actuator_of(step.action), hands=hands)
    result = await run.step(name, work, kind=Result)
    proven = True
    says = result.says
    if result.ok and step.proof.asks_anything:
        proof = step.proof.with_(within=min(step.proof.within, hands.left()))
        seen = await run.note(f"{name}: proof", lambda: _proof(proof, hands), kind=_Seen)
        proven, says = seen.ok, f"{result.says}; {seen.says}"
    await _record(run, name, step, attempt, hands, result=result.with_(says=says), proven=proven, begun=begun)
    return result.with_(says=says), proven


class _Seen(Fact, kw_only=True):
    ok: bool
    says: str


async def _proof(proof: Proof, hands: Hands) -> _Seen:
    proven = await hands.prove(proof)
    after = f" after {proven.seconds:.1f} s" if proven.ok else ""
    return _Seen(ok=proven.ok, says=f"{proven.says}{after}")


class _Execution:
    """A step of the journal that executes an action."""

    def __init__(self, step: Step, *, target: Target, actuator: Actuator, hands: Hands) -> None:
        self._step = step
        self._target = target
        self._actuator = actuator
        self._actions = hands.actions
        self._idempotent = hands.actions[step.action].idempotent

    async def before(self) -> str:
        """Return the target's state before the action."""
        try:
            return to_json(await self._actuator.observe(self._target))
        except PluginError:
            return ""

    async def do(self, key: str) -> Result:
        """Execute; what fails is a result too, the proof and the plan decide what becomes of it."""
        try:
            return await self._actuator.execute(self._step, target=self._target, key=key)
        except PluginError as error:
            return Result(ok=False, says=str(error), changed=False)
        except TimeoutError:
            return Result(ok=False, says=f"took longer than {self._step.timeout.total_seconds():.0f} s")

    async def recover(self, before: str, key: str) -> Result | None:
        """Compare the state before with the state now; where that tells nothing, only what may be done twice is."""
        del key
        effect, was = Effect.UNKNOWN, State(exists=True)
        if before:
            was = from_json(before, State)
            after = await self._actuator.observe(self._target)
            effect = self._actuator.effect(self._step, before=was, after=after)
        if effect is Effect.DONE:
            says = f"{self._step.action} had taken place before the agent was restarted"
            return Result(ok=True, says=says, undo=self._way_back(was))
        if effect is Effect.ABSENT or self._idempotent:
            return None
        raise UnclearError(self._step.name, f"{self._step.action} leaves no trace, and doing it twice could do harm")

    def _way_back(self, was: State) -> dict[str, Argument]:
        """Return what the undo action is to be told, from the state before: the crash swallowed the action's word."""
        undo = self._actions.get(self._actions[self._step.action].undo)
        known: dict[str, Argument | None] = {"image": was.image or None, "replicas": was.replicas}
        return {name: value for name, value in known.items() if value is not None and undo and name in undo.params}


async def _undo(run: Run, done: list[tuple[str, Step, Result]], attempt: Attempt, hands: Hands) -> str:
    """Take back the steps that say so and can be; return what was taken back, in words."""
    taken_back: list[str] = []
    for label, step, result in reversed(done):
        action = hands.actions[step.action].undo
        if not (step.undo and action and result.changed and _suffices(result.undo, hands.actions[action])):
            continue
        back = Step(name=f"undo {step.name}", action=action, args=result.undo, timeout=step.timeout)
        work = _Execution(back, target=hands.target, actuator=hands.actuator_of(action), hands=hands)
        undone = await run.step(f"{label}: undo", work, kind=Result)
        says = f"took back {step.name}: {undone.says}" if undone.ok else f"cannot take back {step.name}: {undone.says}"
        await _tell(run, f"{label}: undone", "undo", says, attempt, hands)
        if undone.ok:
            key = _action_key(attempt, label)
            await run.record(f"{label}: marked", lambda rows, key=key: attempts.mark_undone(rows, key), kind=type(None))  # type: ignore[misc]
            taken_back.append(step.name)
    return f"; took back: {', '.join(taken_back)}" if taken_back else ""


def _suffices(args: Mapping[str, Argument], action: Action) -> bool:
    return all(name in args for name, param in action.params.items() if param.required)


async def _tell(run: Run, name: str, kind: str, says: str, attempt: Attempt, hands: Hands) -> None:
    """Write an event once."""
    now = hands.clock.now()

    def write(rows: Rows) -> None:
        events.add(rows, kind, says, at=now, incident=attempt.incident, target=attempt.target)

    await run.record(name, write, kind=type(None), tell=("events",))


async def _record(  # noqa: PLR0913 — an executed action has these parts
    run: Run, name: str, step: Step, attempt: Attempt, hands: Hands, *, result: Result, proven: bool, begun: datetime
) -> None:
    """Write what was done, for people and for the statistics, once."""
    now = hands.clock.now()
    action = ActionDone(
        key=_action_key(attempt, name),
        attempt=attempt.id,
        incident=attempt.incident,
        target=attempt.target,
        kind=attempt.kind,
        action=step.action,
        step=step.name,
        started_at=begun,
        ended_at=now,
        ok=result.ok,
        verified=result.ok and proven,
        says=result.says,
    )
    word = "proven" if action.verified else "failed"

    told: dict[str, Any] = {"result": result.data} if result.data else {}

    def write(rows: Rows) -> None:
        attempts.record_action(rows, action)
        events.add(
            rows, word, f"{step.name}: {result.says}", at=now, incident=attempt.incident, target=attempt.target,
            action=step.action, ok=result.ok, verified=action.verified, seconds=(now - begun).total_seconds(),
            **told,
        )  # fmt: skip

    await run.record(f"{name}: recorded", write, kind=type(None), tell=("events",))


def _action_key(attempt: Attempt, name: str) -> str:
    return f"{attempt.id}/{name}"
