"""Order: what a person wants done now. Guard, journal and proof apply as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command, pair_of
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.model.action import Action, Argument, Param, Proof
    from devops_agent.model.incident import Incident
    from devops_agent.model.target import Target
    from devops_agent.store.rows import Rows


@command("restart", 'devops-agent restart checkout --reason "new certificate"')
@click.argument("target")
@click.option("--reason", required=True, help="Why; kept in the timeline.")
def restart(call: Call, target: str, *, reason: str) -> None:
    """Order the restart of a target.

    The agent does it as soon as the guard allows, proves that it runs well again, and writes all of it down as an
    incident. The never-touch set and opt-outs hold for orders too.
    """
    _order(call, target, "restart", {}, reason=reason)


@command(
    "order",
    'devops-agent order checkout docker.scale replicas=3 --reason "sale starts"',
    'devops-agent order checkout stop --reason "moved away"',
)
@click.argument("target")
@click.argument("action")
@click.argument("args", nargs=-1, metavar="[ARG=VALUE]...")
@click.option("--reason", required=True, help="Why; kept in the timeline.")
def order(call: Call, target: str, action: str, args: Sequence[str], *, reason: str) -> None:
    """Order any action that a plugin offers: `docker.scale`, or `scale` for the plugin that acts on the target.

    Lists are written with commas. What an action takes is told when it is ordered wrongly.
    """
    _order(call, target, action, dict(pair_of(one, "ARG=VALUE") for one in args), reason=reason)


def see_target(rows: Rows, settings: Settings, name: str) -> Target:
    """Return a target that was seen or is written down.

    Raises:
        Trouble: there is none of that name.

    """
    from difflib import get_close_matches

    from devops_agent.store import targets

    seen = targets.get(rows, name)
    written = {target.name: target for target in settings.targets}
    if seen is not None:
        return written.get(name, seen.target)
    if name in written:
        return written[name]
    names = sorted({*written, *(one.target.name for one in targets.all_(rows))})
    near = get_close_matches(name, names, n=1)
    meant = f" did you mean {near[0]!r}?" if near else ""
    raise Trouble(f"no target {name!r};{meant} known: {', '.join(names[:20]) or 'none yet'}", Exit.NOT_FOUND)


def arguments(action: Action, given: Mapping[str, str]) -> dict[str, Argument]:
    """Return the arguments of the types that the action wants.

    Raises:
        Trouble: one is unknown, missing, or of another type.

    """
    takes = ", ".join(f"{name} ({param.kind}: {param.says})" for name, param in action.params.items())
    for name in given:
        if name not in action.params:
            raise Trouble(f"{action.name} takes no {name!r}; it takes: {takes or 'nothing'}", Exit.USAGE)
    for name, param in action.params.items():
        if param.required and name not in given:
            raise Trouble(f"{action.name} needs {name}=…: {param.says}", Exit.USAGE)
    return {name: _argument(name, text, action.params[name]) for name, text in given.items()}


def _order(call: Call, name: str, verb: str, given: Mapping[str, str], *, reason: str) -> None:
    from devops_agent import __version__
    from devops_agent.engine import commands
    from devops_agent.model.action import Step
    from devops_agent.store import catalogue

    settings, now = call.settings(), call.now
    offered = call.read(catalogue.actions)
    actions = {action.name: action for action in offered} or _actions_without_agent(settings)

    def work(rows: Rows) -> Incident:
        target = see_target(rows, settings, name)
        action = _action(verb, target, actions)
        word = action.name.partition(".")[2]
        step = Step(
            name=word,
            action=action.name,
            args=arguments(action, given),
            retries=int(word == "restart"),
            proof=_proof(word, target),
        )
        return commands.order(
            rows, target=target.name, step=step, reason=reason, by=call.by, now=now, version=__version__
        )

    made = call.write(work)
    if call.as_json:
        say.document(made)
        return
    say.line(f"{made.id}: {made.title}")
    say.note(f"devops-agent show {made.id} tells what comes of it, `why {made.id}` what the guard said")
    if verb.rpartition(".")[2] == "stop":
        say.note(f"it stays stopped, for it is paused, too; `devops-agent resume {made.target}` ends that")


def _action(verb: str, target: Target, actions: Mapping[str, Action]) -> Action:
    name = verb if "." in verb else f"{target.via}.{verb}"
    if name in actions:
        return actions[name]
    if not target.via:
        says = f"cannot {verb} {target.name}: no plugin acts on it; write `docker: NAME` or the like into agent.yaml"
        raise Trouble(says, Exit.REFUSED)
    own = sorted(one for one in actions if one.partition(".")[0] == target.via)
    raise Trouble(f"no action {name!r}; {target.via} offers: {', '.join(own) or 'none'}", Exit.NOT_FOUND)


def _actions_without_agent(settings: Settings) -> dict[str, Action]:
    """Return the actions of this configuration, for a store that no agent has written its own into yet."""
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.parts import all_actions

    return all_actions(settings, clock=SystemClock())


def _proof(verb: str, target: Target) -> Proof:
    """Return what shows that it worked; for other verbs the action's own word counts."""
    from devops_agent.model.action import Proof

    if verb in ("restart", "start"):
        return Proof(state="running", healthy=bool(target.checks))
    return Proof(state="stopped") if verb == "stop" else Proof()


def _argument(name: str, text: str, param: Param) -> Argument:
    from devops_agent.model.duration import DurationError, parse_duration

    try:
        match param.kind:
            case "whole":
                return int(text)
            case "number":
                return float(text)
            case "yes-no":
                return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}[text.lower()]
            case "texts":
                return tuple(part.strip() for part in text.split(","))
            case "duration":
                parse_duration(text)
    except (ValueError, KeyError, DurationError) as error:
        wanted = {"whole": "a whole number", "number": "a number", "yes-no": "yes or no", "duration": "30s, 5m or 1h"}
        raise Trouble(f"{name} is {text!r}; write {wanted[param.kind]}", Exit.USAGE) from error
    return text
