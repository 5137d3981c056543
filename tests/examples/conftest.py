"""What the tests of the demo service share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.running import Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes with one state folder; all end with the test."""
    starter = Start(tmp_path / "state")
    yield starter
    starter.end_all()
