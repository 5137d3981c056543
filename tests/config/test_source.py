import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from devops_agent.config.problems import ConfigError
from devops_agent.config.settings import Settings
from devops_agent.config.source import Kept, Reloaded, Source
from devops_agent.model.action import Action
from tests.config.samples import ACTIONS

RUNBOOK = "name: own\nsays: {says}\nmatch: {{kinds: down}}\nadvice: x\n"


def actions(_: Settings) -> Mapping[str, Action]:
    return ACTIONS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.yaml").write_text(RUNBOOK.format(says="first"))
    file = tmp_path / "agent.yaml"
    file.write_text("polling: {well: 10s}\nrunbooks: own\n")
    return file


def source(file: Path | None) -> Source:
    return Source(file, environ={}, actions=actions)


def says(loaded: Source) -> str:
    return next(runbook.says for runbook in loaded.now.runbooks if runbook.name == "own")


def test_a_changed_file_is_noticed_and_comes_into_force(file: Path) -> None:
    here = source(file)
    before = here.now
    assert not here.changed()
    file.write_text("polling: {well: 99s}\nrunbooks: own\n")
    assert here.changed()
    answer = here.reload()
    assert isinstance(answer, Reloaded)
    assert here.now is answer.loaded
    assert here.now.settings.polling.well.total_seconds() == 99
    assert here.now.digest != before.digest
    assert not here.changed()


def test_a_broken_file_keeps_what_was_in_force_and_says_why(file: Path) -> None:
    here = source(file)
    before = here.now
    file.write_text("polling: {well: soon}\n")
    assert here.changed()
    answer = here.reload()
    assert isinstance(answer, Kept)
    assert [problem.where for problem in answer.problems] == ["polling.well"]
    assert here.now is before
    assert not here.changed(), "the same broken file is told once"
    file.write_text("polling: {well: 5s}\n")
    assert here.changed()
    assert isinstance(here.reload(), Reloaded)


def test_runbooks_are_watched_too(file: Path) -> None:
    here = source(file)
    assert says(here) == "first"
    own = file.parent / "own"
    (own / "own.yaml").write_text(RUNBOOK.format(says="second"))
    assert here.changed()
    assert isinstance(here.reload(), Reloaded)
    assert says(here) == "second"
    (own / "more.yaml").write_text("name: more")
    assert here.changed()
    assert isinstance(here.reload(), Kept)
    (own / "more.yaml").unlink()
    assert here.changed()
    assert isinstance(here.reload(), Reloaded)


def test_a_broken_runbook_in_a_new_folder_is_seen_when_it_is_mended(file: Path) -> None:
    here = source(file)
    other = file.parent / "other"
    other.mkdir()
    (other / "own.yaml").write_text("name: own")
    file.write_text("runbooks: other")
    assert isinstance(here.reload(), Kept)
    assert says(here) == "first"
    (other / "own.yaml").write_text(RUNBOOK.format(says="mended"))
    assert here.changed()
    assert isinstance(here.reload(), Reloaded)
    assert says(here) == "mended"


def test_a_touched_file_is_no_change(file: Path) -> None:
    here = source(file)
    os.utime(file, (1, 1))
    assert not here.changed()


def test_a_file_that_vanishes_keeps_what_was_in_force(file: Path) -> None:
    here = source(file)
    file.unlink()
    assert here.changed()
    assert isinstance(here.reload(), Kept)
    assert here.now.settings.polling.well.total_seconds() == 10


def test_at_the_start_a_broken_file_is_an_error(file: Path) -> None:
    file.write_text("polling: 5")
    with pytest.raises(ConfigError):
        source(file)


def test_without_a_file_the_defaults_and_the_shipped_runbooks_are_in_force() -> None:
    here = source(None)
    assert "service-down" in {runbook.name for runbook in here.now.runbooks}
    assert not here.changed()
