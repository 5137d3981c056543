"""An actuator on a fake world, which can be told to fail, hang or be killed midway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devops_agent.kit.once import Once
from devops_agent.kit.testing.handed import OpenGuardian
from devops_agent.kit.testing.world import Done, FakeService, FakeWorld, ref
from devops_agent.model.action import Action, Argument, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.ports import Guardian, PluginError


class Killed(BaseException):
    """Raised where a kill -9 of the agent is to be played: no `except Exception` catches it."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong the next `times` times that `action` is executed."""

    action: str = "*"
    """An action's name, or `*` for any."""
    fails: str = ""
    """Raise PluginError with this text."""
    retryable: bool = True
    hangs: bool = False
    """Do not answer before the step's timeout."""
    crashes: BaseException | None = None
    """Raise this."""
    after: bool = False
    """Whether the effect takes place before the trouble."""
    times: int = 1


class FakeActuator:
    """Acts on a fake world: restart, start, stop, clean, deploy, rollback, erase, read."""

    def __init__(self, world: FakeWorld, *, guardian: Guardian | None = None) -> None:
        self.world = world
        self._guardian = guardian or OpenGuardian()
        self._once = Once()
        self._troubles: list[Trouble] = []
        self._verbs: dict[str, Callable[[str, FakeService, Mapping[str, Argument]], Result]] = {
            "fake.restart": self._restart,
            "fake.start": self._start,
            "fake.stop": self._stop,
            "fake.clean": self._clean,
            "fake.deploy": self._deploy,
            "fake.rollback": self._rollback,
            "fake.erase": self._erase,
            "fake.read": self._read,
        }

    def will(self, trouble: Trouble) -> None:
        """Let something go wrong; troubles of one action come one after the other."""
        self._troubles += [trouble] * trouble.times

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        return list(_FAKE_ACTIONS)

    async def observe(self, target: Target) -> State:
        """Return how the service is now."""
        service = self.world.services.get(ref(target))
        if service is None:
            return State(exists=False, running=False, says=f"no service {ref(target)}")
        return State(
            exists=True,
            running=service.running,
            healthy=service.healthy,
            since=service.since if service.running else None,
            pid=1_000_000 + service.number if service.running else None,
            instance=f"{ref(target)}#{service.number}" if service.running else "",
            image=service.image,
            restarts=service.number - 1,
            says=f"{ref(target)} {'runs' if service.running else 'is stopped'}",
        )

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return who the service really is, and which path a clean-up would write."""
        name = ref(target)
        service = self.world.services.get(name)
        identity = (service and service.identity) or Identity(names=frozenset({name}))
        if step is not None and step.action == "fake.clean":
            return identity.with_(paths=identity.paths | {str(step.args.get("path", f"/fake/{name}"))})
        return identity

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it, or run into the trouble that was ordered."""
        if step.action not in self._verbs:
            raise PluginError(f"no action {step.action!r}; known: {', '.join(self._verbs)}", retryable=False)
        return await self._once.do(key, lambda: self._execute(step, target=target, key=key))

    async def _execute(self, step: Step, *, target: Target, key: str) -> Result:
        service = self.world.services.get(ref(target))
        if service is None:
            raise PluginError(f"no service {ref(target)!r}", retryable=False)
        trouble = self._next_trouble(step.action)
        if trouble and not trouble.after:
            await self._suffer(trouble, step)
        self._guardian.refuse(await self.identify(target, step=step))
        result = self._verbs[step.action](ref(target), service, step.args)
        if result.changed:
            now = self.world.clock.now()
            self.world.done.append(Done(action=step.action, target=target.name, key=key, at=now))
        if trouble and trouble.after:
            await self._suffer(trouble, step)
        return result

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Tell from two observations whether the step took place."""
        match step.action.partition(".")[2]:
            case "restart":
                seen = after.running is True and after.instance != before.instance
            case "start":
                seen = after.running is True
            case "stop":
                seen = after.running is False
            case "deploy" | "rollback":
                seen = after.image != before.image
            case "erase":
                seen = not after.exists
            case _:
                return Effect.UNKNOWN
        return Effect.DONE if seen else Effect.ABSENT

    def _next_trouble(self, action: str) -> Trouble | None:
        for trouble in self._troubles:
            if trouble.action in ("*", action):
                self._troubles.remove(trouble)
                return trouble
        return None

    async def _suffer(self, trouble: Trouble, step: Step) -> None:
        if trouble.crashes is not None:
            raise trouble.crashes
        if trouble.hangs:
            seconds = step.timeout.total_seconds()
            await self.world.clock.sleep(seconds)
            raise PluginError(f"{step.action} gave no answer within {seconds:g} s")
        raise PluginError(trouble.fails or f"{step.action} failed", retryable=trouble.retryable)

    def _restart(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        self._begin_instance(service)
        return Result(ok=True, says=f"restarted {name}")

    def _start(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        if service.running:
            return Result(ok=True, says=f"{name} runs already", changed=False)
        self._begin_instance(service)
        return Result(ok=True, says=f"started {name}")

    def _stop(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        service.running = False
        service.healthy = False
        return Result(ok=True, says=f"stopped {name}")

    def _clean(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        service.readings["disk_percent"] = service.readings.get("disk_percent", 90.0) - 40.0
        return Result(ok=True, says=f"cleaned up after {name}", data={"bytes_freed": 1_000_000})

    def _deploy(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        old, service.previous_image = service.image, service.image
        service.image = str(args["image"])
        self._begin_instance(service)
        return Result(ok=True, says=f"{name} runs {service.image} now", undo={"image": old})

    def _rollback(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        return self._deploy(name, service, {"image": service.previous_image})

    def _erase(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        del self.world.services[name]
        return Result(ok=True, says=f"erased {name}")

    def _read(self, name: str, service: FakeService, args: Mapping[str, Argument]) -> Result:
        return Result(ok=True, says=f"read {name}", changed=False, data=dict(service.readings))

    def _begin_instance(self, service: FakeService) -> None:
        service.number += 1
        service.running = True
        service.healthy = service.starts_healthy
        service.since = self.world.clock.now()


_IMAGE = {"image": Param(says="Image to run.", required=True)}
_PATH = {"path": Param(says="Folder to clean.", default="/fake")}
_FAKE_ACTIONS = (
    Action(name="fake.restart", says="Stop and start the service.", risk=Risk.SAFE),
    Action(name="fake.start", says="Start the service.", risk=Risk.SAFE, idempotent=True),
    Action(name="fake.stop", says="Stop the service.", risk=Risk.RISKY, idempotent=True, undo="fake.start"),
    Action(name="fake.clean", says="Free disk space.", risk=Risk.SAFE, idempotent=True, params=_PATH),
    Action(name="fake.deploy", says="Run another image.", risk=Risk.RISKY, params=_IMAGE, undo="fake.deploy"),
    Action(name="fake.rollback", says="Run the image before.", risk=Risk.RISKY, undo="fake.deploy"),
    Action(name="fake.erase", says="Remove it for good.", risk=Risk.DANGEROUS, blast=Blast.GROUP),
    Action(name="fake.read", says="Read its figures.", risk=Risk.READ, blast=Blast.NOTHING, idempotent=True),
)
