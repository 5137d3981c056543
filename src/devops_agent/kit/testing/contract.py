"""The rules that all actuators obey, as tests to inherit from."""

# ruff: noqa: D102 — a test's name states the rule

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from devops_agent.kit.testing.handed import OpenGuardian, StrictGuardian
from devops_agent.kit.testing.must import must as _must
from devops_agent.model.action import Effect, Result, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.ports import Actuator, Guardian, PluginError, Untouchable

Make = Callable[[Guardian], Actuator]


class ActuatorContract:
    """Inherit as `class TestX(ActuatorContract)` and give these fixtures, in the class or its module.

    `make`: builds the actuator with a guardian, each time as a new process would.
    `target`: a thing that exists, may be acted on and (for services) runs.
    `unknown_target`: one that does not exist.
    `safe_step`: a step that may be done to `target` and changes something.
    `slow_step`: one that cannot end within its timeout; None when the plugin has nothing slow.
    """

    leaves_a_trace = True
    """Whether `observe` shows that `safe_step` took place."""

    def test_every_action_is_named_after_its_plugin_and_explained(self, make: Make) -> None:
        actions = make(OpenGuardian()).actions()
        _must(bool(actions), "there are actions")
        for action in actions:
            plugin, _, verb = action.name.partition(".")
            _must(bool(plugin and verb), f"{action.name} reads plugin.verb")
            _must(bool(action.says.strip()), f"{action.name} says what it does")
            for name, param in action.params.items():
                _must(bool(param.says.strip()), f"{action.name}: {name} says what it is")
            _must(
                not action.undo or action.undo in {other.name for other in actions},
                f"{action.name}: its undo {action.undo!r} is one of the actions",
            )
        _must(len({action.name for action in actions}) == len(actions), "no name stands for two actions")

    async def test_the_same_key_twice_has_the_effect_once(self, make: Make, target: Target, safe_step: Step) -> None:
        actuator = make(OpenGuardian())
        first = await actuator.execute(safe_step, target=target, key="run-1/step-1")
        once = await actuator.observe(target)
        second = await actuator.execute(safe_step, target=target, key="run-1/step-1")
        twice = await actuator.observe(target)
        _must(first == second, f"both tell the same: {first} {second}")
        _must(_being(once) == _being(twice), f"nothing was done again: {once} {twice}")

    async def test_a_protected_thing_is_refused_and_left_as_it_is(
        self, make: Make, target: Target, safe_step: Step
    ) -> None:
        identity = await make(OpenGuardian()).identify(target, step=safe_step)
        _must(identity != Identity(), "the target can be recognised")
        before = await make(OpenGuardian()).observe(target)
        guardian = StrictGuardian(Protected(what="the agent's own", why="test", is_=identity))
        await _refused(make(guardian), safe_step, target)
        _must(bool(guardian.asked), "the guardian was asked")
        after = await make(OpenGuardian()).observe(target)
        _must(_being(before) == _being(after), f"nothing was changed: {before} {after}")

    async def test_an_unknown_action_is_refused_and_the_known_ones_are_named(
        self, make: Make, target: Target, safe_step: Step
    ) -> None:
        actuator = make(OpenGuardian())
        wrong = safe_step.with_(action="nobody.knows-this")
        try:
            await actuator.execute(wrong, target=target, key="run-1/wrong")
        except PluginError as error:
            _must(not error.retryable, "trying again would not help")
            _must(actuator.actions()[0].name in str(error), f"the known actions are named: {error}")
        else:
            raise AssertionError("an unknown action was carried out")

    async def test_a_target_that_does_not_exist_is_said_not_to_exist(self, make: Make, unknown_target: Target) -> None:
        try:
            state = await make(OpenGuardian()).observe(unknown_target)
        except PluginError as error:
            _must(bool(str(error)), "the error says why")
        else:
            _must(not state.exists, f"it does not exist: {state}")

    async def test_two_observations_tell_whether_a_step_took_place(
        self, make: Make, target: Target, safe_step: Step
    ) -> None:
        actuator = make(OpenGuardian())
        before = await actuator.observe(target)
        idle = actuator.effect(safe_step, before=before, after=before)
        result = await actuator.execute(safe_step, target=target, key="run-2/step-1")
        after = await actuator.observe(target)
        done = actuator.effect(safe_step, before=before, after=after)
        _must(result.ok and bool(result.says), f"it worked and says what was done: {result}")
        _must(idle is not Effect.DONE, f"nothing had been done yet: {idle}")
        _must(done is not Effect.ABSENT, f"it was done: {done}")
        if self.leaves_a_trace:
            _must((idle, done) == (Effect.ABSENT, Effect.DONE), f"it can be seen: {idle} {done}")

    async def test_a_step_ends_at_its_timeout(self, make: Make, target: Target, slow_step: Step | None) -> None:
        if slow_step is None:
            return
        _must(slow_step.timeout <= timedelta(seconds=5), "a test should not wait for long")
        try:
            result: Result | None = await make(OpenGuardian()).execute(slow_step, target=target, key="run-3/slow")
        except PluginError as error:
            _must(bool(str(error)), "the error says what took too long")
        else:
            _must(result is not None and not result.ok, f"it did not work: {result}")


def _being(state: State) -> tuple[object, ...]:
    return state.exists, state.running, state.instance, state.since, state.image, state.replicas


async def _refused(actuator: Actuator, step: Step, target: Target) -> None:
    try:
        result = await actuator.execute(step, target=target, key="run-1/refused")
    except Untouchable as error:
        _must(not error.retryable, "trying again would not help")
    else:
        raise AssertionError(f"a protected thing was touched: {result}")
