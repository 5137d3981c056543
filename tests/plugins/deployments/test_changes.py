import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START, ChangesContract, tools
from devops_agent.kit.testing.telemetry_contract import SHOP, GivenChanges
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.plugins.deployments.changes import NotedChanges, _change, _notes, build
from devops_agent.ports import ChangeSource, PluginError

HOUR = timedelta(hours=1)


@pytest.fixture
def source(tmp_path: Path) -> NotedChanges:
    return build({}, tools=tools(tmp_path))


class TestNotedChanges(ChangesContract):
    kind = ChangeKind.DEPLOYMENT

    @pytest.fixture
    def given(self, source: NotedChanges, tmp_path: Path) -> GivenChanges:
        file = tmp_path / "deployments"
        self.target = SHOP.with_(options={"deployments": str(file)})

        async def given(changes: Sequence[Change]) -> ChangeSource:
            lines = (json.dumps({"at": change.at.isoformat(), "says": change.says}) for change in changes)
            file.write_text("\n".join(lines))
            return source

        return given


async def noted(source: NotedChanges, file: Path, *lines: str) -> list[Change]:
    file.write_text("\n".join(lines))
    target = SHOP.with_(aliases=("till",), options={"deployments": str(file)})
    return await source.changes(target, begin=START - HOUR, end=START + HOUR)


async def test_notes_of_others_and_what_is_no_note_are_passed_over(source: NotedChanges, tmp_path: Path) -> None:
    mine = '{"at": "2026-01-05T12:00:00", "target": "till", "version": "2.1", "before": "2.0"}'
    others = '{"at": "2026-01-05T12:00:00Z", "target": "mail", "version": "7"}'
    (change,) = await noted(source, tmp_path / "notes", mine, others, "deployed!", "{}", "")
    assert (change.at, change.before, change.after) == (START, "2.0", "2.1")
    assert (change.says, change.kind, change.source) == ("deployment of 2.1", ChangeKind.DEPLOYMENT, "deployments")


async def test_a_change_of_configuration_can_be_noted(source: NotedChanges, tmp_path: Path) -> None:
    line = '{"at": "2026-01-05T12:00:00Z", "kind": "config", "says": "half the workers"}'
    (change,) = await noted(source, tmp_path / "notes", line)
    assert (change.kind, change.says) == (ChangeKind.CONFIG, "half the workers")


async def test_nothing_is_known_of_a_target_without_notes(source: NotedChanges) -> None:
    assert await source.changes(SHOP, begin=START, end=START + HOUR) == []


@pytest.mark.parametrize(
    ("path", "says"), [("/nowhere", "cannot read"), ("/dev/null", "no regular file"), ("notes", "the whole path")]
)
async def test_what_is_no_file_is_said(source: NotedChanges, path: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        await source.changes(SHOP.with_(options={"deployments": path}), begin=START, end=START + HOUR)


@given(st.binary())
def test_any_bytes_are_read(content: bytes) -> None:
    for note in _notes(content):
        assert _change(SHOP, note).at.tzinfo
