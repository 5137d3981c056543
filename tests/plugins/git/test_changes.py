import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.testing import START, ChangesContract, tools
from devops_agent.kit.testing.telemetry_contract import SHOP, GivenChanges
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change
from devops_agent.plugins.git.changes import GitChanges, _commits, _moves, build
from devops_agent.ports import ChangeSource, PluginError

HOUR = timedelta(hours=1)


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, at: datetime = START) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "GIT_AUTHOR_DATE": at.isoformat(),
            "GIT_COMMITTER_DATE": at.isoformat(),
        }
        done = subprocess.run(["git", "-C", self.path, *args], env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject: str, *, at: datetime = START) -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", subject, at=at)
        return self.git("rev-parse", "HEAD")

    @property
    def target(self) -> Target:
        return SHOP.with_(options={"repository": str(self.path)})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def source(tmp_path: Path) -> GitChanges:
    return build({}, tools=tools(tmp_path))


class TestGitChanges(ChangesContract):
    @pytest.fixture
    def given(self, repository: Repository, source: GitChanges) -> GivenChanges:
        self.target = repository.target

        async def given(changes: Sequence[Change]) -> ChangeSource:
            for change in sorted(changes, key=lambda change: change.at):
                repository.commit(change.says, at=change.at)
            return source

        return given


async def test_a_pull_of_old_commits_is_new(repository: Repository, source: GitChanges, tmp_path: Path) -> None:
    before = repository.commit("Begin")
    clone = Repository(tmp_path / "clone")
    clone.git("pull", "--quiet", str(repository.path), "main")
    for subject in ("Sell shoes", "Sell hats"):
        after = repository.commit(subject, at=START + HOUR)
    clone.git("pull", "--quiet", str(repository.path), "main", at=START + 24 * HOUR)
    (change,) = await source.changes(clone.target, begin=START + 23 * HOUR, end=START + 25 * HOUR)
    assert (change.before, change.after, change.source) == (before[:12], after[:12], "git")
    assert change.says.endswith("Fast-forward (" + after[:12] + "): 2 commits: Sell hats; Sell shoes")


async def test_a_reset_to_an_older_commit_is_a_change(repository: Repository, source: GitChanges) -> None:
    first = repository.commit("Begin")
    repository.commit("Break")
    repository.git("reset", "--quiet", "--hard", first, at=START + 2 * HOUR)
    (change,) = await source.changes(repository.target, begin=START + HOUR, end=START + 3 * HOUR)
    assert change.after == first[:12]
    assert "reset: moving to" in change.says


async def test_without_a_reflog_the_commits_own_times_count(repository: Repository, source: GitChanges) -> None:
    commit = repository.commit("Sell shoes")
    shutil.rmtree(repository.path / ".git" / "logs")
    (change,) = await source.changes(repository.target, begin=START - HOUR, end=START + HOUR)
    assert (change.at, change.says) == (START, f"commit {commit[:12]}: Sell shoes")


async def test_a_repository_runs_no_program_of_its_own(
    repository: Repository, source: GitChanges, tmp_path: Path
) -> None:
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o755)
    repository.commit("Begin")
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand"):
        repository.git("config", key, str(trap))
    repository.git("config", "log.showSignature", "true")
    assert len(await source.changes(repository.target, begin=START - HOUR, end=START + HOUR)) == 1
    assert not sprung.exists()


async def test_nothing_is_known_of_a_target_without_a_repository(source: GitChanges) -> None:
    assert await source.changes(SHOP, begin=START, end=START + HOUR) == []


async def test_an_empty_repository_has_no_changes(repository: Repository, source: GitChanges) -> None:
    assert await source.changes(repository.target, begin=START, end=START + HOUR) == []


@pytest.mark.parametrize(
    ("path", "says"), [("/nowhere", "cannot read the history of /nowhere"), ("shop", "the whole path"), (7, "not 7")]
)
async def test_what_is_no_repository_is_said(source: GitChanges, path: object, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        await source.changes(SHOP.with_(options={"repository": path}), begin=START, end=START + HOUR)


@given(st.text(st.sampled_from("\x1e\x1f\n{}0123456789abc@- ")))
def test_any_output_is_read(text: str) -> None:
    for move in (*_moves(text), *_commits(text)):
        assert move.at.tzinfo
