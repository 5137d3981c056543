"""Restarts, starts, stops and signals local processes.

The same key has its effect once even when the agent is killed in between: a started process carries the key in its
environment, and an execution with that key which finds it alive returns instead of starting another. What remains open
is the instant between fork and exec, before the key can be read, and a process that ended before it was looked for.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from devops_agent.kit import proc
from devops_agent.kit.once import Once
from devops_agent.kit.proc import Process
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.process.children import Children, last_words, tail
from devops_agent.plugins.process.config import Config, Options, options
from devops_agent.plugins.process.find import KEY_MARK, Finder, family, identity
from devops_agent.plugins.process.grip import Grip, grasp
from devops_agent.ports import PluginError

_STAYS_UP = 0.05
"""Seconds after a start in which an end means that it could not start."""
_KILLED_WITHIN = 5.0
_FAMILY_STOP = 1.0
"""Seconds that children get to end by themselves once their parent has."""
_SHARE_FOR_STOPPING = 0.7
"""Share of a step's timeout that may pass before a process is killed, so that time is left to start it again."""

Verb = Callable[[Step, Target, Options, str], Awaitable[Result]]


def build(config: Mapping[str, object], *, tools: Tools) -> ProcessActuator:
    """Build the actuator from `plugins.process`."""
    return ProcessActuator(settings(Config, config, where="plugins.process"), tools=tools)


class ProcessActuator:
    """Acts on processes of this machine."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._once = Once()
        self._home = str(tools.state_dir.resolve())
        self._finder = Finder(self._home)
        self._children = Children(self._home)
        self._verbs: dict[str, Verb] = {
            "process.restart": self._restart,
            "process.start": self._start,
            "process.stop": self._stop,
            "process.signal": self._signal,
            "process.logs": self._logs,
        }

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        words = ", ".join(self._config.signals)
        return [
            Action(name="process.restart", says="End the process and start it again.", risk=Risk.SAFE, idempotent=True),
            Action(name="process.start", says="Start it.", risk=Risk.SAFE, idempotent=True, undo="process.stop"),
            Action(name="process.stop", says="End it.", risk=Risk.RISKY, idempotent=True, undo="process.start"),
            Action(
                name="process.signal",
                says="Send it a signal, such as HUP to read its settings again.",
                risk=Risk.SAFE,
                idempotent=True,
                params={"signal": Param(says=f"One of {words}.", default="HUP")},
            ),
            Action(
                name="process.logs",
                says="Read the end of its log.",
                risk=Risk.READ,
                blast=Blast.NOTHING,
                idempotent=True,
                params={"lines": Param(kind="whole", says="How many lines.", default=100)},
            ),
        ]

    async def observe(self, target: Target) -> State:
        """Return whether it runs; a dead entry does not, one held by SIGSTOP runs and is not healthy."""
        chosen = options(target)
        self._children.reap()
        main = self._finder.find(target, chosen)
        if main is None or not main.alive:
            return self._dead(target, chosen, main)
        since = datetime.fromtimestamp(self._finder.since(main), tz=UTC)
        held = ", stopped (SIGSTOP)" if main.stopped else ""
        return State(
            exists=True,
            running=True,
            healthy=False if main.stopped else None,
            since=since,
            pid=main.pid,
            instance=main.instance,
            says=f"process {target.name} runs as pid {main.pid} since {since:%Y-%m-%d %H:%M:%S} UTC{held}",
            extra={"state": main.state},
        )

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return its names, process ids and ports; with a step that starts it also the log that it would write."""
        chosen = options(target)
        who = identity(target, chosen, self._finder.find(target, chosen), home=self._home)
        if step is not None and step.action in ("process.restart", "process.start") and chosen.log:
            return who.with_(paths=_real_paths(chosen.log))
        return who

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it, within the step's timeout."""
        verb = self._verbs.get(step.action)
        if verb is None:
            raise PluginError(f"no action {step.action!r}; known: {', '.join(self._verbs)}", retryable=False)
        return await self._once.do(key, lambda: self._bounded(verb, step, target, key))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether the step took place.

        A restart that ended the old process and began no new one is absent: it is to be done again.
        """
        match step.action:
            case "process.restart":
                seen = after.running is True and after.instance != before.instance
            case "process.start":
                seen = after.running is True
            case "process.stop":
                seen = after.running is False
            case _:
                return Effect.UNKNOWN
        return Effect.DONE if seen else Effect.ABSENT

    async def close(self) -> None:
        """Let go of everything; what was started lives on."""
        self._children.close()

    def _dead(self, target: Target, chosen: Options, main: Process | None) -> State:
        code = self._children.exit_code(target)
        why = f", ended with code {code}" if code is not None else ""
        if main is not None:
            why = f": pid {main.pid} is dead and not reaped by its parent {main.parent}"
        known = main is not None or bool(chosen.command or chosen.pid_file or chosen.match)
        return State(exists=known, running=False, exit_code=code, says=f"process {target.name} does not run{why}")

    async def _bounded(self, verb: Verb, step: Step, target: Target, key: str) -> Result:
        seconds = step.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await verb(step, target, options(target), key)
        except TimeoutError as error:
            raise PluginError(f"cannot finish {step.action} of {target.name} within {seconds:g} s") from error

    async def _restart(self, step: Step, target: Target, chosen: Options, key: str) -> Result:
        _needs_command(target, chosen)
        main = self._living(target, chosen)
        if main and _started_under(main, key):
            return Result(ok=True, says=f"process {target.name} was restarted already: pid {main.pid}")
        await self._refuse(target, step, main)
        story = await self._end(target, main, chosen, step) if main else "none ran"
        await _end_kin(family(target, None, home=self._home))
        born = await self._begin(target, chosen, key)
        return Result(
            ok=True, says=f"restarted process {target.name}: {story}, pid {born.pid} runs", data={"pid": born.pid}
        )

    async def _start(self, step: Step, target: Target, chosen: Options, key: str) -> Result:
        _needs_command(target, chosen)
        main = self._living(target, chosen)
        if main:
            ours = _started_under(main, key)
            return Result(ok=True, says=f"process {target.name} runs already as pid {main.pid}", changed=ours)
        await self._refuse(target, step, main)
        # Children that a former instance left behind may hold its port.
        await _end_kin(family(target, None, home=self._home))
        born = await self._begin(target, chosen, key)
        return Result(ok=True, says=f"started process {target.name}: pid {born.pid} runs", data={"pid": born.pid})

    async def _stop(self, step: Step, target: Target, chosen: Options, key: str) -> Result:
        main = self._living(target, chosen)
        if main is None:
            return Result(ok=True, says=f"process {target.name} does not run", changed=False)
        await self._refuse(target, step, main)
        story = await self._end(target, main, chosen, step)
        return Result(ok=True, says=f"stopped process {target.name}: {story}")

    async def _signal(self, step: Step, target: Target, chosen: Options, key: str) -> Result:
        word = str(step.args.get("signal", "HUP")).upper().removeprefix("SIG")
        if word not in self._config.signals:
            allowed = ", ".join(self._config.signals)
            raise PluginError(f"no signal {word!r}; allowed: {allowed} (plugins.process.signals)", retryable=False)
        main = self._living(target, chosen)
        if main is None:
            raise PluginError(f"cannot send SIG{word}: process {target.name} does not run")
        await self._refuse(target, step, main)
        grip = _hold(target, main)
        try:
            grip.send(_signal(word))
        finally:
            grip.close()
        return Result(ok=True, says=f"sent SIG{word} to process {target.name}, pid {main.pid}")

    async def _logs(self, step: Step, target: Target, chosen: Options, key: str) -> Result:
        path = chosen.log_file or chosen.log
        if not path:
            says = f"no log to read: say `log: FILE` or `log_file: FILE` below `process` of target {target.name}"
            raise PluginError(says, retryable=False)
        lines = tail(path, int(str(step.args.get("lines", 100))), most=200_000)
        return Result(ok=True, says=f"read {len(lines)} lines of {path}", changed=False, data={"lines": lines})

    def _living(self, target: Target, chosen: Options) -> Process | None:
        self._children.reap()
        main = self._finder.find(target, chosen)
        return main if main and main.alive else None

    async def _refuse(self, target: Target, step: Step, main: Process | None) -> None:
        if main is not None:
            proc.refuse_by_nature(main)
        self._tools.guardian.refuse(await self.identify(target, step=step))

    async def _end(self, target: Target, main: Process, chosen: Options, step: Step) -> str:
        """End main and what belongs to it; return the story for people."""
        patience = (chosen.stop_timeout or self._config.stop_timeout).total_seconds()
        patience = min(patience, step.timeout.total_seconds() * _SHARE_FOR_STOPPING)
        kin = family(target, main, home=self._home)
        grip = _hold(target, main)
        try:
            began = self._tools.clock.monotonic()
            how = await _end_one(grip, _signal(chosen.stop_signal), patience=patience)
        finally:
            grip.close()
            self._children.reap()
        await _end_kin(kin)
        return f"pid {main.pid} ended on {how} after {self._tools.clock.monotonic() - began:.1f} s"

    async def _begin(self, target: Target, chosen: Options, key: str) -> Process:
        born = self._children.start(target, chosen, key=key)
        grip = _hold(target, born)
        try:
            gone = await grip.ended(_STAYS_UP)
        finally:
            grip.close()
        self._children.reap()
        if not gone:
            self._finder.remember(target, born)
            return born
        if chosen.pid_file and self._children.exit_code(target) == 0:
            return await self._daemonized(target, chosen)
        code = self._children.exit_code(target)
        said = last_words(chosen.log) if chosen.log else ""
        raise PluginError(f"cannot start {target.name}: it ended at once with code {code}{said and ': '}{said}")

    async def _daemonized(self, target: Target, chosen: Options) -> Process:
        while (main := self._living(target, chosen)) is None:
            await self._tools.clock.sleep(_STAYS_UP)
        return main


def _needs_command(target: Target, chosen: Options) -> None:
    if not chosen.command:
        raise PluginError(
            f"cannot start {target.name}: say `command: [program, …]` below its `process`", retryable=False
        )


def _real_paths(*paths: str) -> frozenset[str]:
    return frozenset(os.path.realpath(path) for path in paths)


def _started_under(process: Process, key: str) -> bool:
    return bool(key) and proc.environment(process.pid).get(KEY_MARK) == key


def _signal(word: str) -> signal.Signals:
    try:
        return signal.Signals[f"SIG{word.upper().removeprefix('SIG')}"]
    except KeyError:
        raise PluginError(f"no signal {word!r}; such as TERM, INT, QUIT, HUP", retryable=False) from None


def _hold(target: Target, process: Process) -> Grip:
    try:
        return Grip(process)
    except ProcessLookupError as error:
        raise PluginError(f"cannot act on {target.name}: pid {process.pid} ended in the same moment") from error


async def _end_one(grip: Grip, number: signal.Signals, *, patience: float) -> str:
    grip.send(number)
    if grip.process.stopped:
        # The signal waits until it runs again.
        grip.send(signal.SIGCONT)
    if await grip.ended(patience):
        return number.name
    grip.send(signal.SIGKILL)
    if not await grip.ended(_KILLED_WITHIN):
        raise PluginError(f"cannot end pid {grip.process.pid}: it hangs in the kernel (state {grip.process.state})")
    return f"SIGKILL ({number.name} did nothing for {patience:g} s)"


async def _end_kin(kin: list[Process]) -> None:
    grips = grasp(kin)
    try:
        for grip in grips:
            grip.send(signal.SIGTERM)
            grip.send(signal.SIGCONT)
        ended = await asyncio.gather(*(grip.ended(_FAMILY_STOP) for grip in grips))
        for grip, gone in zip(grips, ended, strict=True):
            if not gone:
                grip.send(signal.SIGKILL)
    finally:
        for grip in grips:
            grip.close()
