"""The wheel alone, away from the sources, has everything that the program needs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel of these sources was unpacked into, as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, cwd: Path, *words: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run([sys.executable, *words], cwd=cwd, env=environ, capture_output=True, text=True, check=True)
    return done.stdout


def test_commands_work_from_the_wheel_with_its_own_runbooks(unpacked: Path, tmp_path: Path) -> None:
    where = run(unpacked, tmp_path, "-c", "import devops_agent; print(devops_agent.__file__)")
    assert where.startswith(str(unpacked))
    books = json.loads(run(unpacked, tmp_path, "-m", "devops_agent", "runbook", "list", "--json"))
    assert {one["name"] for one in books} == {file.stem for file in (ROOT / "runbooks").glob("*.yaml")}
    assert all(one["source"].startswith(str(unpacked)) for one in books)
    assert "in order" in run(unpacked, tmp_path, "-m", "devops_agent", "check")


def test_the_wheel_holds_every_file_that_is_no_code(unpacked: Path) -> None:
    package = ROOT / "src" / "devops_agent"
    kinds = {".sql", ".html", ".css", ".js", ".svg", ".typed"}
    wanted = {
        file.relative_to(package) for file in package.rglob("*") if file.suffix in kinds or file.name == "py.typed"
    }
    assert wanted
    assert [str(file) for file in wanted if not (unpacked / "devops_agent" / file).is_file()] == []
    assert (unpacked / "devops_agent" / "_examples" / "market_predictor").is_dir()


def test_the_wheel_offers_the_command(unpacked: Path) -> None:
    (points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "devops-agent = devops_agent.cli:main" in points.read_text()
