import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import START, FakeClock, OpenGuardian, tools
from devops_agent.model.target import Target
from devops_agent.plugins.host.actuator import HostActuator, build
from devops_agent.ports import Guardian

Make = Callable[[Guardian], HostActuator]
HOUR = 3600.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "root"
    root.mkdir()
    return root


@pytest.fixture
def make(root: Path, tmp_path: Path) -> Make:
    config = {"allowed_roots": [str(root)]}
    return lambda guardian: build(config, tools=tools(tmp_path, clock=FakeClock(), guardian=guardian, http=Http()))


@pytest.fixture
def actuator(make: Make) -> HostActuator:
    return make(OpenGuardian())


def write(path: Path, content: bytes = b"x" * 1000, *, hours_old: float = 48.0) -> Path:
    """Write a file of that age, by the fake clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    at = START.timestamp() - hours_old * HOUR
    os.utime(path, (at, at))
    return path


def with_rules(*rules: dict[str, Any], name: str = "shop") -> Target:
    return Target(name=name, via="docker", options={"clean": list(rules)})


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
