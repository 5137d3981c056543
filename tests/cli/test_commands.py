import inspect
import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from devops_agent import __version__
from devops_agent.cli import docs
from devops_agent.cli.call import Command
from devops_agent.cli.exits import Exit
from devops_agent.cli.root import SECTIONS, root, walk
from devops_agent.model.account import SCOPES
from devops_agent.model.incident import Status

COMMANDS = {" ".join(path): found for path, found in walk()}
LEAVES = {name: found for name, found in COMMANDS.items() if isinstance(found, Command)}
HEAVY = {"asyncio", "msgspec", "yaml", "sqlite3", "aiohttp", "fastapi", "pydantic", "psutil", "uvicorn"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(root, [*name.split(), "--help"])
    assert shown.exit_code == 0
    help_ = inspect.cleandoc(COMMANDS[name].help or "")
    assert "." in help_.splitlines()[0]
    for param in COMMANDS[name].params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.name} has no help"


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_examples_that_it_accepts(name: str) -> None:
    found = LEAVES[name]
    assert found.examples
    assert found.examples[0] in CliRunner().invoke(root, [*name.split(), "--help"]).output
    for example in found.examples:
        line = example.removeprefix('eval "$(').removesuffix(')"').partition(" > ")[0].partition(" | ")[0]
        words = shlex.split(line)
        assert words[0] == "devops-agent"
        at = words.index(name.split(maxsplit=1)[0])
        rest = words[at + len(name.split()) :]
        found.make_context(name, rest, parent=click.Context(root))


@pytest.mark.parametrize("name", LEAVES)
def test_an_option_that_there_is_not_is_a_wrong_command_line(name: str) -> None:
    assert CliRunner().invoke(root, [*name.split(), "--no-such-option"]).exit_code == Exit.USAGE


def test_a_command_that_there_is_not_is_a_wrong_command_line() -> None:
    assert CliRunner().invoke(root, ["dance"]).exit_code == Exit.USAGE


def test_the_table_of_commands_begins_as_each_command_explains_itself() -> None:
    for section in SECTIONS.values():
        for name, (_, says) in section.items():
            assert says.split()[0] == (COMMANDS[name].help or "").split()[0], name


def test_the_help_lists_every_command_and_every_exit_code() -> None:
    shown = CliRunner().invoke(root, ["--help"]).output
    for name in COMMANDS:
        assert f"  {name.split()[0]} " in shown
    for code in Exit:
        assert f"  {int(code)} " in shown


def test_the_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['devops-agent', '--help']\n"
        "from devops_agent.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Exit codes" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_the_version_is_told() -> None:
    assert __version__ in CliRunner().invoke(root, ["--version"]).output


def test_the_reference_page_is_the_one_that_the_code_makes(tmp_path: Path) -> None:
    docs.write_page(tmp_path / "cli.md")
    page = Path(__file__).parents[2] / docs.PAGE
    assert page.read_text() == (tmp_path / "cli.md").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    assert "_DEVOPS_AGENT_COMPLETE" in CliRunner().invoke(root, ["completion", shell]).output


@pytest.mark.parametrize("kind", ["settings", "runbook"])
def test_schemas_are_printed_as_json(kind: str) -> None:
    shown = CliRunner().invoke(root, ["schema", kind])
    assert json.loads(shown.output)["$schema"].startswith("https://json-schema.org/")


def test_words_that_commands_offer_are_those_that_the_engine_knows() -> None:
    offered = {
        "token create": ("scope", SCOPES),
        "incidents": ("status", ("unresolved", *(one.value for one in Status))),
    }
    for name, (option, known) in offered.items():
        (found,) = [one for one in COMMANDS[name].params if one.name == option]
        assert isinstance(found.type, click.Choice)
        assert tuple(found.type.choices) == tuple(known)
