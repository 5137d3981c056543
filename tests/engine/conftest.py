"""Scenes for the tests of the engine."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from devops_agent.model.target import Target
from tests.engine import site


class Set(Protocol):
    """Sets a scene."""

    def __call__(self, *targets: Target, **how: Any) -> AbstractAsyncContextManager[site.Scene]: ...  # noqa: ANN401


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all scenes of a session."""
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture
def set_scene(scenes: Path) -> Set:
    """Return what sets scenes, each with a store file of its own."""
    numbers = count(len(list(scenes.iterdir())))

    def set_(*targets: Target, **how: Any) -> AbstractAsyncContextManager[site.Scene]:  # noqa: ANN401
        folder = scenes / str(next(numbers))
        folder.mkdir()
        return site.scene(folder, *targets, **how)

    return set_
