"""Makes room on the disks of this machine: deletes and compresses what a target's rules name, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from devops_agent.kit import proc
from devops_agent.kit.once import Once
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.action import Action, Blast, Effect, Param, Result, Risk, Step
from devops_agent.model.evidence import State
from devops_agent.model.identity import Identity
from devops_agent.model.target import Target
from devops_agent.plugins.host.config import Config, Rule, Way, options
from devops_agent.plugins.host.roots import refusal
from devops_agent.plugins.host.slices import carry_out
from devops_agent.plugins.host.sweep import Account, sweep
from devops_agent.plugins.host.usage import Usage, measure
from devops_agent.ports import PluginError

_CLEAN, _COMPRESS, _USAGE = "host.clean", "host.compress_logs", "host.disk_usage"
_DRY = {"dry_run": Param(kind="yes-no", says="Only tell what would be done.", default=False)}


def build(config: Mapping[str, object], *, tools: Tools) -> HostActuator:
    """Build the actuator from `plugins.host`."""
    return HostActuator(settings(Config, config, where="plugins.host"), tools=tools)


class HostActuator:
    """Cleans up on this machine, for targets of any kind that have `options.clean`."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._once = Once()
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._booted = datetime.fromtimestamp(proc.boot_time(), tz=UTC)

    def actions(self) -> list[Action]:
        """Return everything it can do."""
        return [
            Action(
                name=_CLEAN,
                says="Carry out all clean-up rules of the target: delete and compress old files.",
                risk=Risk.SAFE,
                blast=Blast.TARGET,
                idempotent=True,
                params=_DRY,
            ),
            Action(
                name=_COMPRESS,
                says="Carry out those clean-up rules of the target that compress.",
                risk=Risk.SAFE,
                blast=Blast.TARGET,
                idempotent=True,
                params=_DRY,
            ),
            Action(
                name=_USAGE,
                says="Find the largest files.",
                risk=Risk.READ,
                blast=Blast.NOTHING,
                idempotent=True,
                params={
                    "path": Param(says="Folder to look below; default: the target's path, else where its rules clean."),
                    "top": Param(kind="whole", says="How many files to name.", default=20),
                },
            ),
        ]

    async def observe(self, target: Target) -> State:
        """Return that this machine runs, for what is on it."""
        if target.via != "host" and not options(target).clean:
            return State(exists=False, says=f"{target.name} is no host and has no options.clean")
        return State(
            exists=True,
            running=True,
            since=self._booted,
            instance=self._boot,
            says=f"this machine runs since {self._booted:%Y-%m-%d %H:%M:%S} UTC",
        )

    async def identify(self, target: Target, *, step: Step | None = None) -> Identity:
        """Return the target's names, and with a step the roots below which it would write."""
        names = frozenset({target.name, target.ref} - {""})
        if step is None or step.action not in (_CLEAN, _COMPRESS):
            return Identity(names=names)
        return Identity(names=names, paths=frozenset(rule.root.rstrip("/") or "/" for rule in _rules(step, target)))

    async def execute(self, step: Step, *, target: Target, key: str) -> Result:
        """Do it, within the step's timeout; what was not reached by then is left for the next run."""
        known = (_CLEAN, _COMPRESS, _USAGE)
        if step.action not in known:
            raise PluginError(f"no action {step.action!r}; known: {', '.join(known)}", retryable=False)
        do = self._measure if step.action == _USAGE else self._clean
        return await self._once.do(key, lambda: do(step, target))

    def effect(self, step: Step, *, before: State, after: State) -> Effect:
        """Return that it cannot be known: all of it may be done again."""
        return Effect.UNKNOWN

    async def _clean(self, step: Step, target: Target) -> Result:
        rules = _rules(step, target)
        if not rules and step.action == _COMPRESS:
            return Result(ok=True, says=f"nothing to compress: no rule of {target.name} says so", changed=False)
        if not rules:
            raise PluginError(
                f"cannot clean up for {target.name}: no rules (targets[{target.name}].options.clean)", retryable=False
            )
        if all(reasons := [refusal(rule.root, self._config.allowed_roots) for rule in rules]):
            raise PluginError(f"cannot clean up for {target.name}: {'; '.join(reasons)}", retryable=False)
        self._tools.guardian.refuse(await self.identify(target, step=step))
        account = Account(dry_run=step.args.get("dry_run") is True)
        work = sweep(rules, config=self._config, now=self._tools.clock.now().timestamp(), account=account)
        seconds = step.timeout.total_seconds()
        if not await carry_out(work, seconds=seconds):
            raise PluginError(f"cannot finish within {seconds:g} s, the rest is for the next run: {account.says}")
        return Result(
            ok=True,
            says=account.says,
            changed=bool(account.files) and not account.dry_run,
            data={
                "bytes_freed": account.freed,
                "files": account.files,
                "dry_run": account.dry_run,
                "done": account.done,
                "refused": account.refused,
                "refusals": account.refusals,
            },
        )

    async def _measure(self, step: Step, target: Target) -> Result:
        path = str(step.args.get("path") or options(target).path or _where_it_may_clean(target) or "/")
        usage = Usage(root=path, top=int(str(step.args.get("top", 20))))
        whole = await carry_out(measure(usage), seconds=step.timeout.total_seconds())
        says = usage.says if whole else f"{usage.says}; there is more, the time was up"
        return Result(ok=True, says=says, changed=False, data={**usage.data, "whole": whole})


def _where_it_may_clean(target: Target) -> str:
    """Return the folder below which all its rules clean up; a whole disk takes longer to look through than to fill."""
    roots = [rule.root for rule in options(target).clean if Path(rule.root).is_absolute()]
    return os.path.commonpath(roots) if roots else ""


def _rules(step: Step, target: Target) -> tuple[Rule, ...]:
    """Return the rules that the step carries out: all of them, or those that compress."""
    rules = options(target).clean
    return rules if step.action == _CLEAN else tuple(rule for rule in rules if rule.action is Way.COMPRESS)
