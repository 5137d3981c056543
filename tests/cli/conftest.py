from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.calling import CONFIG, Caller
from tests.web import seed


@pytest.fixture
def fresh(tmp_path: Path) -> Caller:
    """A site whose agent has never run."""
    (tmp_path / "agent.yaml").write_text(CONFIG)
    return Caller(folder=tmp_path)


@pytest.fixture
def site(fresh: Caller) -> Caller:
    """A site with a history: INC-1 healed, INC-2 asks (APR-1), INC-3 escalated, INC-4 being acted on."""
    fresh.rows(lambda rows: seed.fill(rows, datetime.now(UTC)))
    return fresh
