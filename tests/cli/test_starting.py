import asyncio
import re
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from devops_agent.cli.starting import _with_port
from devops_agent.config.load import load
from tests.cli.calling import Caller


def test_init_writes_a_file_that_check_finds_in_order(tmp_path: Path) -> None:
    site = Caller(folder=tmp_path)
    shown = site.says("init")
    assert "What comes next" in shown
    assert "in order" in site.says("check")
    assert load(site.config, environ={}).source


def test_init_leaves_a_file_that_is_there_as_it_is(fresh: Caller) -> None:
    before = fresh.config.read_text()
    assert "left as it is" in fresh.refuses("init", code=1)
    assert fresh.config.read_text() == before


def test_init_may_look_for_less(tmp_path: Path) -> None:
    told = Caller(folder=tmp_path).document("init", "--no-docker", "--no-ports")
    assert told["found"] == {"containers": 0, "ports": 0}


def test_check_counts_what_may_be_acted_on(fresh: Caller) -> None:
    assert "3 targets written down, 2 of them may be acted on" in fresh.says("check")
    told = fresh.document("check")
    assert set(told) == {"ok", "file", "problems", "targets", "managed", "runbooks"}
    assert told["managed"] == ["checkout", "worker"]


def test_check_tells_every_problem_with_its_line_and_exits_5(fresh: Caller) -> None:
    fresh.config.write_text("targets:\n  - {name: a, dokcer: b}\npolling: {well: soon}\n")
    said = fresh.refuses("check", code=5)
    assert "agent.yaml:2" in said
    assert "agent.yaml:3" in said
    assert "did you mean 'docker'" in said
    assert said.splitlines()[-1].endswith("problems")
    told = fresh.document("check", code=5)
    assert told["ok"] is False
    assert {one["line"] for one in told["problems"]} == {2, 3}


def test_check_finds_plugins_and_runbooks_that_are_wrong(fresh: Caller) -> None:
    fresh.config.write_text("plugins: {docket: {}}\n")
    assert "no plugin 'docket'" in fresh.refuses("check", code=5)
    (fresh.folder / "books").mkdir()
    (fresh.folder / "books" / "x.yaml").write_text("name: x\n")
    fresh.config.write_text("runbooks: books\n")
    assert "x.yaml" in fresh.refuses("check", code=5)


@pytest.mark.parametrize("words", [["incidents"], ["run"], ["agent"], ["web"], ["login"], ["pause", "--reason", "x"]])
def test_a_wrong_configuration_stops_every_command_with_5(fresh: Caller, words: list[str]) -> None:
    fresh.config.write_text("pollling: {}\n")
    assert "did you mean 'polling'" in fresh.refuses(*words, code=5)


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in Caller(folder=tmp_path).refuses("incidents", code=5)


def test_the_configuration_may_be_named_after_the_command(fresh: Caller, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("targets: [{name: only, tcp: '127.0.0.1:1'}]\n")
    assert fresh.document("check", "--config", str(tmp_path / "other.yaml"))["targets"] == 1


def test_port_0_becomes_a_port_that_can_be_told() -> None:
    assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]+", _with_port("127.0.0.1:0"))
    assert _with_port("unix:/run/x.sock") == "unix:/run/x.sock"


@pytest.mark.slow
async def test_run_starts_both_roles_and_its_link_opens_the_page(fresh: Caller) -> None:
    command = [sys.executable, "-m", "devops_agent", "--config", str(fresh.config), "run", "--login"]
    running = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert running.stdout is not None
    try:
        said = ""
        while not ("agent started" in said and "web started" in said):
            line = (await running.stdout.readline()).decode()
            assert line, said
            said += line
        (link,) = re.findall(r"http://127\.0\.0\.1:\d+/login\?token=\S+", said)
        shown = await asyncio.to_thread(_visit, link)
        assert "Log out" in shown
        status = await asyncio.to_thread(fresh.document, "status")
        assert status["roles"]["web"]["alive"]
        assert "another agent (pid" in await asyncio.to_thread(fresh.refuses, "run", code=1)
        assert "another agent (pid" in await asyncio.to_thread(fresh.refuses, "agent", code=1)
    finally:
        running.terminate()
        await running.communicate()
    assert running.returncode == 0


def _visit(link: str) -> str:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with opener.open(link, timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("role", ["run", "web"])
def test_a_secret_file_that_is_not_there_is_told_before_anything_starts(fresh: Caller, role: str) -> None:
    with fresh.config.open("a") as config:
        config.write("store_password_file: nowhere\n")
    said = fresh.refuses(role, code=5)
    assert f"cannot read the secret file {fresh.folder / 'nowhere'}: No such file or directory" in said


@pytest.mark.slow
@pytest.mark.parametrize("role", ["agent", "web"])
def test_a_role_that_cannot_read_a_secret_says_so_in_one_line(fresh: Caller, role: str) -> None:
    with fresh.config.open("a") as config:
        config.write("store_password_file: nowhere\n")
    argv = [sys.executable, "-m", f"devops_agent.app.{role}", str(fresh.config)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert "cannot start: cannot read the secret file" in line
