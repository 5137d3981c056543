import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.kit.tools import SettingsError
from devops_agent.model.action import Argument, Effect, Risk, Step
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.plugins.command.actuator import CommandActuator, build
from devops_agent.ports import Guardian, PluginError, Untouchable

SHOP = Target(name="shop", via="command")
SHOW = "import sys, pathlib; pathlib.Path('said').open('a').write(repr(sys.argv[1:]) + '\\n')"
Make = Callable[[Guardian], CommandActuator]


def commands(folder: Path) -> dict[str, Any]:
    return {
        "flush": {
            "argv": [sys.executable, "-c", SHOW, "{target}", "--db={db}", "{word}"],
            "says": "Flush a database.",
            "risk": "safe",
            "cwd": str(folder),
            "undo": "fill",
            "params": {"db": {"pattern": "[0-9]+"}, "word": {"pattern": ".*", "default": "none"}},
        },
        "fill": {
            "argv": [sys.executable, "-c", SHOW, "{db}", "{word}"],
            "cwd": str(folder),
            "params": {"db": {"pattern": "[0-9]+"}, "word": {"pattern": ".*", "default": "none"}},
        },
        "fails": {"argv": ["sh", "-c", "echo no space left >&2; exit 4"], "idempotent": True},
        "hangs": {"argv": ["sleep", "600"], "timeout": 0.3},
        "remove": {"argv": ["rm", "-f", "--", "{path}"], "params": {"path": {"pattern": ".*"}}},
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    config = {"commands": commands(tmp_path)}
    return lambda guardian: build(config, tools=tools(tmp_path, guardian=guardian, http=Http()))


@pytest.fixture
def actuator(make: Make) -> CommandActuator:
    return make(OpenGuardian())


def flush(**args: Argument) -> Step:
    return Step(name="flush", action="command.flush", args=args)


class TestCommandActuator(ActuatorContract):
    leaves_a_trace = False

    @pytest.fixture
    def target(self) -> Target:
        return SHOP

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="elsewhere", via="docker")

    @pytest.fixture
    def safe_step(self) -> Step:
        return flush(db=1)

    @pytest.fixture
    def slow_step(self) -> Step | None:
        return Step(name="hangs", action="command.hangs", timeout=timedelta(seconds=5))


async def test_the_same_key_runs_the_command_once(actuator: CommandActuator, tmp_path: Path) -> None:
    for key in ("1", "1", "2"):
        await actuator.execute(flush(db=3), target=SHOP, key=key)
    assert (tmp_path / "said").read_text().splitlines() == ["['shop', '--db=3', 'none']"] * 2


@pytest.mark.parametrize("text", ["$(touch owned)", "`touch owned`", "; touch owned", "a b  c", "{target}", "%s", "ü"])
async def test_an_argument_stays_one_argument_whatever_is_in_it(
    actuator: CommandActuator, tmp_path: Path, text: str
) -> None:
    await actuator.execute(flush(db=1, word=text), target=SHOP, key="1")
    assert (tmp_path / "said").read_text() == f"{['shop', '--db=1', text]!r}\n"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"db": "1; rm"}, r"db is '1; rm'; it has to match \[0-9\]\+"),
        ({"db": "1\n"}, "it has to match"),
        ({}, "'db' is missing"),
        ({"db": "1", "word": "--all"}, "would take for an option"),
        ({"db": "1", "wrod": "x"}, "no parameter 'wrod'; known: db, word"),
    ],
)
async def test_an_argument_that_does_not_fit_runs_nothing(
    actuator: CommandActuator, tmp_path: Path, args: dict[str, str], says: str
) -> None:
    with pytest.raises(PluginError, match=says) as caught:
        await actuator.execute(flush(**args), target=SHOP, key="1")
    assert not caught.value.retryable
    assert not (tmp_path / "said").exists()


async def test_a_target_whose_name_could_be_an_option_is_refused(actuator: CommandActuator) -> None:
    with pytest.raises(PluginError, match="option"):
        await actuator.execute(flush(db=1), target=Target(name="--force", via="command"), key="1")


async def test_another_exit_code_than_0_is_told_with_the_last_words(actuator: CommandActuator) -> None:
    with pytest.raises(PluginError, match=r"command\.fails ended with code 4: no space left") as caught:
        await actuator.execute(Step(name="f", action="command.fails"), target=SHOP, key="1")
    assert caught.value.retryable


async def test_the_undo_gets_the_same_arguments(actuator: CommandActuator) -> None:
    result = await actuator.execute(flush(db=5), target=SHOP, key="1")
    undo = next(action.undo for action in actuator.actions() if action.name == "command.flush")
    assert (undo, result.undo) == ("command.fill", {"db": 5})


async def test_paths_among_the_arguments_are_what_the_guardian_sees(make: Make, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "agent.db").touch()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    own = Protected(what="store", why="test", is_=Identity(paths=frozenset({str(tmp_path / "store")})))
    guarded = make(StrictGuardian(own))
    step = Step(name="remove", action="command.remove", args={"path": f"{tmp_path}/link/agent.db"})
    with pytest.raises(Untouchable, match="store"):
        await guarded.execute(step, target=SHOP, key="1")
    assert (tmp_path / "store" / "agent.db").exists()


def test_risk_comes_from_the_list_and_is_risky_unless_said(actuator: CommandActuator) -> None:
    risks = {action.name: action.risk for action in actuator.actions()}
    assert (risks["command.flush"], risks["command.fill"]) == (Risk.SAFE, Risk.RISKY)


async def test_nothing_tells_whether_a_command_ran(actuator: CommandActuator) -> None:
    state = await actuator.observe(SHOP)
    assert actuator.effect(flush(db=1), before=state, after=state) is Effect.UNKNOWN


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"argv": []}, "no program"),
        ({"argv": ["{program}"], "params": {"program": {"pattern": ".*"}}}, "program itself"),
        ({"argv": ["x", "{db}"]}, "no parameter 'db'; known: target"),
        ({"argv": ["x", "{target.name}"]}, "no parameter 'target.name'"),
        ({"argv": ["x", "{target!r:>9}"]}, "only a parameter's name"),
        ({"argv": ["x", "{"]}, "cannot read"),
        ({"argv": ["x"], "params": {"db": {"pattern": "x"}}}, "does not use it"),
        ({"argv": ["x", "{db}"], "params": {"db": {"pattern": "("}}}, r"db\.pattern"),
        ({"argv": ["x"], "undo": "y"}, "no command 'y'; known: wrong"),
        ({"argv": ["x"], "shell": True}, "shell"),
    ],
)
def test_a_command_that_cannot_be_run_as_written_is_refused_at_the_start(
    tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        build({"commands": {"wrong": wrong}}, tools=tools(tmp_path, http=Http()))
