"""Runbooks: YAML → `Runbook`, checked against the actions that there are; a wrong one is refused when it is read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from devops_agent.config.problems import ConfigError, Problem, not_among
from devops_agent.config.read import WRONG, Reader
from devops_agent.config.targets import VIAS
from devops_agent.config.tree import Items, Node, Scalar, Table, find, parse_tree
from devops_agent.config.tree import Path as Place
from devops_agent.model.action import Action, Argument, Param, Step
from devops_agent.model.condition import ConditionError, parse_condition
from devops_agent.model.rendering import PLACEHOLDERS, placeholders, unknown_placeholders
from devops_agent.model.runbook import Runbook

KINDS = (
    "down",
    "unhealthy",
    "crash_loop",
    "out_of_memory",
    "memory_pressure",
    "disk_filling",
    "log_growth",
    "high_latency",
    "high_error_rate",
    "code_error",
    "bad_release",
    "dependency_down",
    "unreachable",
    "certificate_expiry",
    "flapping",
)
"""Fault classes that runbooks may be for."""

MAX_STEPS = 50
_PARAM_KINDS: Mapping[str, type] = {
    "text": str,
    "whole": int,
    "number": float,
    "yes-no": bool,
    "duration": timedelta,
}


def shipped_folder() -> Path:
    """Return the folder of the shipped runbooks: in the wheel beside the code, in a checkout at the top."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_runbooks"
    return installed if installed.is_dir() else package.parent.parent / "runbooks"


def load_runbooks(
    folders: Sequence[Path], *, actions: Mapping[str, Action], via: Collection[str] = VIAS
) -> tuple[Runbook, ...]:
    """Return the runbooks of all `*.yaml` files in `folders`, by name; a later folder's replaces an earlier one's.

    `actions` are all that plugins offer, by name; `via` the plugins that act on targets, for `{via}` in actions.

    Raises:
        ConfigError: a folder or file cannot be read, or a runbook is wrong.

    """
    problems: list[Problem] = []
    found: dict[str, Runbook] = {}
    for folder in folders:
        here: dict[str, Runbook] = {}
        for file in _files(folder, problems):
            try:
                runbook = load_runbook(file, actions=actions, via=via)
            except ConfigError as error:
                problems += error.problems
                continue
            if runbook.name in here:
                says = f"there is a runbook {runbook.name!r} already, in {here[runbook.name].source}"
                problems.append(Problem(file=str(file), line=1, where="name", says=says))
            here[runbook.name] = runbook
        found |= here
    if problems:
        raise ConfigError(problems)
    return tuple(found[name] for name in sorted(found))


def load_runbook(file: Path, *, actions: Mapping[str, Action], via: Collection[str] = VIAS) -> Runbook:
    """Return the runbook in `file`.

    Raises:
        ConfigError: the file cannot be read or the runbook is wrong.

    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(file=str(file), says=f"cannot be read: {error.strerror}")]) from error
    return parse_runbook(content, file=str(file), actions=actions, via=via)


def parse_runbook(content: bytes, *, file: str, actions: Mapping[str, Action], via: Collection[str] = VIAS) -> Runbook:
    """Return the runbook that `content` is; `file` is its name in problems.

    Raises:
        ConfigError: something in it does not fit.

    """
    root, problems = parse_tree(content, file=file)
    reader = Reader(Path.cwd())
    reader.problems += problems
    runbook = reader.struct(root, Runbook, ())
    if runbook is not None:
        runbook = _Checking(reader, root, actions, via).check(runbook.with_(source=file))
    if reader.problems or runbook is None:
        raise ConfigError(reader.problems)
    return runbook


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        says = f"the runbooks' folder cannot be read: {error.strerror}"
        problems.append(Problem(file=str(folder), says=says))
        return []


class _Checking:
    """What is not said by the types: whether names mean something, and arguments fit their action."""

    def __init__(self, reader: Reader, root: Table, actions: Mapping[str, Action], via: Collection[str]) -> None:
        self._reader = reader
        self._root = root
        self._actions = actions
        self._via = via

    def check(self, runbook: Runbook) -> Runbook:
        """Return the runbook with its arguments as its actions want them."""
        self._check_match(runbook)
        if not runbook.steps and not runbook.advice:
            self._tell((), "says neither what to do nor what to tell; write `steps` or `advice`")
        if len(runbook.steps) > MAX_STEPS:
            self._tell(("steps",), f"has more than {MAX_STEPS} steps")
        for index, line in enumerate(runbook.advice):
            self._check_placeholders(line, ("advice", index))
        names: set[str] = set()
        steps = []
        for index, step in enumerate(runbook.steps):
            path: Place = ("steps", index)
            if step.name in names:
                self._tell((*path, "name"), f"there is a step {step.name!r} already; names are unique in a runbook")
            names.add(step.name)
            steps.append(self._check_step(step, path, runbook.match.via or tuple(self._via)))
        return runbook.with_(steps=tuple(steps))

    def _check_match(self, runbook: Runbook) -> None:
        match = runbook.match
        if not (match.kinds or match.alerts or match.labels or match.targets):
            self._tell(("match",), "fits everything; name kinds, alerts, labels or targets")
        for name, known in (("kinds", KINDS), ("via", tuple(self._via))):
            for index, word in enumerate(getattr(match, name)):
                if word not in known:
                    what = "fault class" if name == "kinds" else "plugin that acts"
                    self._tell(("match", name, index), not_among(what, word, known))

    def _check_step(self, step: Step, path: Place, via: Collection[str]) -> Step:
        try:
            parse_condition(step.only_if)
        except ConditionError as error:
            self._tell((*path, "when"), str(error))
        offered = self._offered(step, (*path, "action"), via)
        for name in step.args:
            place: Place = (*path, "args", name)
            for text, at in _texts(find(self._root, place), place):
                self._check_placeholders(text, at)
        args: dict[str, Argument] = dict(step.args)
        for action in offered:
            args |= self._check_args(action, step, path)
        return step.with_(args=args)

    def _offered(self, step: Step, path: Place, via: Collection[str]) -> list[Action]:
        """Return the actions that the step may turn out to be."""
        if step.action in self._actions:
            return [self._actions[step.action]]
        if not step.action.startswith("{via}."):
            names = placeholders(step.action)
            says = "an action's name holds no placeholder but {via} at its start" if names else ""
            self._tell(path, says or not_among("action", step.action, self._actions))
            return []
        verb = step.action.removeprefix("{via}.")
        offered = [self._actions[f"{plugin}.{verb}"] for plugin in sorted(via) if f"{plugin}.{verb}" in self._actions]
        without = [plugin for plugin in sorted(via) if f"{plugin}.{verb}" not in self._actions]
        if not offered:
            known = {name.partition(".")[2] for name in self._actions if name.partition(".")[0] in via}
            self._tell(path, not_among("action", step.action, [f"{{via}}.{verb}" for verb in known]))
        elif without and not step.optional:
            says = f"{', '.join(without)} cannot {verb}; write `optional: true`, or name plugins in `match.via`"
            self._tell(path, says)
        return offered

    def _check_args(self, action: Action, step: Step, path: Place) -> dict[str, Argument]:
        """Return the arguments that fit, of the types that `action` wants."""
        args: dict[str, Argument] = {}
        for name in step.args:
            place: Place = (*path, "args", name)
            if name not in action.params:
                self._tell(place, f"{action.name}: {not_among('argument', name, action.params)}")
                continue
            node = find(self._root, place)
            if isinstance(node, Scalar) and placeholders(node.text):
                args[name] = node.text
            elif (value := self._argument(node, action.params[name], place)) is not WRONG:
                args[name] = value
        for name, param in action.params.items():
            if param.required and name not in step.args:
                self._tell((*path, "args"), f"{action.name} needs {name!r}: {param.says}")
        return args

    def _argument(self, node: Node, param: Param, place: Place) -> Any:  # noqa: ANN401 — an Argument, or WRONG
        if param.kind == "texts":
            return self._reader.value(node, tuple[str, ...], place)
        value = self._reader.value(node, _PARAM_KINDS.get(param.kind, str), place)
        return node.text if isinstance(value, timedelta) and isinstance(node, Scalar) else value

    def _check_placeholders(self, text: str, path: Place) -> None:
        for name in unknown_placeholders(text):
            self._tell(path, f"{{{name}}} stands for nothing; known: {PLACEHOLDERS}; {{{{{name}}}}} writes the braces")

    def _tell(self, path: Place, says: str) -> None:
        self._reader.tell(find(self._root, path), path, says)


def _texts(node: Node, path: Place) -> Iterator[tuple[str, Place]]:
    """Yield each text in a value, with its place."""
    if isinstance(node, Scalar):
        yield node.text, path
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from _texts(item, (*path, index))
