import os
import subprocess
import sys
from pathlib import Path

import pytest

from devops_agent.cli.exits import Exit
from tests.cli.calling import Caller


def test_without_a_token_it_is_said_how_to_get_one(site: Caller) -> None:
    assert "token create NAME --scope read" in site.refuses("mcp", "--url", "http://127.0.0.1:1", code=Exit.CONFIG)


def test_without_the_package_it_is_said_how_to_install_it(site: Caller, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util, sys\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'mcp' else find(name, package)\n"
    )
    command = [sys.executable, "-m", "devops_agent", "--config", str(site.config), "mcp"]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == Exit.CONFIG
    assert done.stderr.strip().endswith("pip install 'devops-ai-agent[mcp]'")
    assert not done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--http", "0.0.0.0:0"), "--host-name NAME"),
        (("--http", "somewhere:80"), "is no address"),
        (("--http", "8486"), "write 127.0.0.1:8486"),
        (("--http", "127.0.0.1:0", "--token-file", "x"), "each caller brings a token"),
        (("--host-name", "ops.example.org"), "goes with --http"),
    ],
)
def test_what_cannot_be_served_so_is_refused_with_the_way_out(site: Caller, words: tuple[str, ...], says: str) -> None:
    assert says in site.refuses("mcp", "--url", "http://127.0.0.1:1", *words, code=Exit.USAGE)


def test_a_page_that_chooses_its_port_has_to_be_named(site: Caller) -> None:
    assert "name it with --url" in site.refuses("mcp", code=Exit.USAGE)
