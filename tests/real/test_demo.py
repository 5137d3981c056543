"""The demo with real processes: a real agent, real services, real faults; short, and nothing left behind."""

from pathlib import Path

import pytest

from devops_agent.drill.demo import SCENES, run_demo
from devops_agent.kit import proc

QUICK = ("crash", "crash_loop")


def test_the_demo_heals_what_can_be_healed_calls_a_person_for_the_rest_and_cleans_up(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = run_demo(once=True, scenes=[scene for scene in SCENES if scene.fault in QUICK])
    told = capfd.readouterr().out
    assert code == 0, told
    assert "2 of 2 as expected, 0 actions on anything that was well" in told
    assert "Everything is well now." in told
    assert max(len(line) for line in told.splitlines() if "http://" not in line) <= 100
    assert "Traceback" not in told
    assert [*tmp_path.iterdir()] == []
    assert not [pid for pid in proc.pids() if any(str(tmp_path) in argument for argument in proc.argv(pid))]
