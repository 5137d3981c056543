import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.config.init import Found, InitError, initial_text, write_initial
from devops_agent.config.listening import Port, listening_ports
from devops_agent.config.load import load
from devops_agent.model.target import Check, Target
from tests.config.samples import problems, settings

FOUND = Found(
    containers=(
        Target(
            name="shop-web-1",
            via="docker",
            ref="shop-web-1",
            managed=True,
            checks=(Check(kind="state"), Check(url="http://127.0.0.1:8000/health")),
            group="shop",
        ),
        Target(name="db", via="docker", ref="db", checks=(Check(kind="tcp", url="127.0.0.1:5432"),)),
        Target(name="db", via="docker", ref="db-2", managed=False),
    ),
    ports=(Port(number=9000, process="python3", pid=7), Port(number=9001, process="python3"), Port(number=22)),
)


def test_what_is_written_loads_and_watches_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    write_initial(FOUND, path, schema="agent.schema.json")
    targets = {target.name: target for target in load(path, environ={}).targets}
    assert list(targets) == ["shop-web-1", "db", "db-2", "python3", "python3-9001", "port-22"]
    assert (targets["shop-web-1"].managed, targets["shop-web-1"].group) == (True, "shop")
    assert targets["shop-web-1"].checks[1].url == "http://127.0.0.1:8000/health"
    assert (targets["db"].managed, targets["db-2"].managed, targets["db-2"].ref) == (False, False, "db-2")
    assert targets["python3"].checks[0].url == "127.0.0.1:9000"
    assert path.read_text().splitlines()[3] == "# yaml-language-server: $schema=agent.schema.json"


def test_nothing_found_leaves_examples_that_load_when_the_hashes_are_taken_away() -> None:
    text = initial_text(Found())
    assert settings(text).targets == ()
    examples = text.partition("# targets:")[2].replace("\n# ", "\n")
    assert [target.name for target in settings(f"targets:{examples}").targets] == ["shop", "db"]


def test_every_setting_that_is_only_shown_is_right_too() -> None:
    lines = initial_text(Found()).splitlines()
    hidden = [line.replace("# ", "", 1) for line in lines if line.lstrip().startswith(("# store", "# never_touch"))]
    top = "\n".join(line for line in hidden if not line.startswith(" "))
    assert problems(top) == []
    assert problems("guard:\n" + "\n".join(line for line in hidden if line.startswith(" "))) == []
    window = "".join(line.removeprefix("#") + "\n" for line in lines if line.startswith(("# maintenance:", "#   - {")))
    assert settings(window.replace("\n ", "\n").lstrip()).maintenance[0].reason == "weekly updates"


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("mine")
    with pytest.raises(InitError, match="exists and is left as it is"):
        write_initial(FOUND, path)
    assert path.read_text() == "mine"
    with pytest.raises(InitError, match="cannot write"):
        write_initial(FOUND, tmp_path / "no" / "agent.yaml")


@given(st.lists(st.text(min_size=1, max_size=30), max_size=5))
def test_whatever_things_are_called_the_file_loads(names: list[str]) -> None:
    found = Found(
        containers=tuple(Target(name=name, ref=name) for name in names),
        ports=tuple(Port(number=number, process=name) for number, name in enumerate(names, start=1)),
    )
    assert len(settings(initial_text(found)).targets) == 2 * len(names)


def test_a_port_that_listens_is_found_with_its_process() -> None:
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        number = ours.getsockname()[1]
        found = {port.number: port for port in listening_ports()}
    assert found[number].process
    assert found[number].pid


def test_a_machine_without_those_tables_has_no_ports(tmp_path: Path) -> None:
    assert listening_ports(proc=tmp_path) == ()
