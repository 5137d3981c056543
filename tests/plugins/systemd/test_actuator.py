"""The systemd plugin against a fake systemctl: a real program that keeps its units in a file."""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, tools
from devops_agent.model.action import Step
from devops_agent.model.target import Target
from devops_agent.plugins.systemd.actuator import SystemdActuator, build
from devops_agent.ports import Guardian, PluginError, Untouchable

SYSTEMCTL = """#!{python}
import json, pathlib, sys, time
scope, verb, *options, dashes, unit = sys.argv[1:]
assert scope == "--system" and dashes == "--", sys.argv
path = pathlib.Path({state!r})
units = json.loads(path.read_text())
unit = units["aliases"].get(unit, unit)
if verb == "show":
    known = units["units"].get(unit, {{"LoadState": "not-found", "Id": unit}})
    print("\\n".join(f"{{name}}={{value}}" for name, value in known.items()))
    sys.exit(0)
assert options == ["--no-ask-password"], sys.argv
known = units["units"][unit]
units["calls"].append([verb, unit])
if "hangs" in known:
    time.sleep(600)
if "fails" in known:
    print(f"Job for {{unit}} failed because the control process exited with error code.", file=sys.stderr)
    known.update(ActiveState="failed", SubState="failed", ExecMainStatus="203")
elif verb in ("restart", "start", "stop"):
    up = verb != "stop"
    known["NRestarts"] = str(int(known["NRestarts"]) + 1)
    known["InvocationID"] = f"id{{len(units['calls'])}}" if up else ""
    known.update(ActiveState="active" if up else "inactive", SubState="running" if up else "dead")
path.write_text(json.dumps(units))
sys.exit("fails" in known)
"""
JOURNALCTL = """#!{python}
import sys
print("\\n".join(sys.argv[1:]))
"""
RESTART = Step(name="restart", action="systemd.restart")
SHOP = Target(name="shop", via="systemd", ref="shop.service")
Make = Callable[[Guardian], SystemdActuator]


class Units:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "units.json"
        self.path.write_text(json.dumps({"units": {}, "aliases": {}, "calls": []}))
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
            program = folder / name
            program.write_text(text.format(python=sys.executable, state=str(self.path)))
            program.chmod(0o755)

    def add(self, unit: str, **properties: str) -> None:
        known = {"Id": unit, "Names": unit, "LoadState": "loaded", "ActiveState": "active", "SubState": "running"}
        known |= {"InvocationID": "id0", "NRestarts": "0", "MainPID": "0", "ExecMainStartTimestampMonotonic": "5000000"}
        self._change("units", unit, {**known, **properties})

    def alias(self, name: str, unit: str) -> None:
        self._change("aliases", name, unit)

    @property
    def calls(self) -> list[list[str]]:
        calls: list[list[str]] = json.loads(self.path.read_text())["calls"]
        return calls

    def _change(self, part: str, name: str, value: object) -> None:
        all_of_it = json.loads(self.path.read_text())
        all_of_it[part][name] = value
        self.path.write_text(json.dumps(all_of_it))


@pytest.fixture
def units(tmp_path: Path) -> Units:
    units = Units(tmp_path)
    units.add("shop.service")
    return units


@pytest.fixture
def make(units: Units, tmp_path: Path) -> Make:
    config = {"systemctl": str(tmp_path / "systemctl"), "journalctl": str(tmp_path / "journalctl")}
    return lambda guardian: build(config, tools=tools(tmp_path, guardian=guardian, http=Http()))


@pytest.fixture
def actuator(make: Make) -> SystemdActuator:
    return make(OpenGuardian())


class TestSystemdActuator(ActuatorContract):
    @pytest.fixture
    def target(self) -> Target:
        return SHOP

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="nowhere", via="systemd")

    @pytest.fixture
    def safe_step(self) -> Step:
        return RESTART

    @pytest.fixture
    def slow_step(self, units: Units) -> Step | None:
        units.add("shop.service", hangs="yes")
        return RESTART.with_(timeout=timedelta(seconds=0.5))


async def test_a_name_without_a_kind_is_a_service(actuator: SystemdActuator) -> None:
    state = await actuator.observe(Target(name="shop", via="systemd"))
    assert (state.exists, state.running, state.instance) == (True, True, "id0")
    assert state.says == "unit shop.service is active (running)"


@pytest.mark.parametrize("ref", ["--now", "-H evil", "shop.service other", "*", "../shop", "a;b", "", "a\n"])
async def test_what_is_no_name_of_a_unit_never_reaches_systemctl(
    units: Units, actuator: SystemdActuator, ref: str
) -> None:
    with pytest.raises(PluginError, match="is no name of a unit") as caught:
        await actuator.execute(RESTART, target=Target(name=ref, via="systemd", ref=ref), key="1")
    assert not caught.value.retryable
    assert units.calls == []


@pytest.mark.parametrize("unit", ["systemd-journald", "dbus.service", "docker.socket", "devops-agent.service"])
async def test_what_the_machine_hangs_on_is_refused_without_any_guardian(
    units: Units, actuator: SystemdActuator, unit: str
) -> None:
    units.add(unit if "." in unit else f"{unit}.service")
    with pytest.raises(Untouchable):
        await actuator.execute(RESTART, target=Target(name="x", via="systemd", ref=unit), key="1")
    assert units.calls == []


async def test_an_alias_is_seen_through(units: Units, actuator: SystemdActuator) -> None:
    units.add("dbus-broker.service", Names="dbus-broker.service harmless.service")
    units.alias("harmless.service", "dbus-broker.service")
    with pytest.raises(Untouchable, match=r"dbus-broker"):
        await actuator.execute(RESTART, target=Target(name="x", via="systemd", ref="harmless"), key="1")
    assert units.calls == []


async def test_a_failed_job_is_told_in_systemds_words(units: Units, actuator: SystemdActuator) -> None:
    units.add("shop.service", fails="yes")
    with pytest.raises(PluginError, match=r"cannot restart shop: Job for shop\.service failed"):
        await actuator.execute(RESTART, target=SHOP, key="1")
    state = await actuator.observe(SHOP)
    assert (state.running, state.healthy, state.exit_code) == (False, False, 203)


async def test_stop_start_and_reload_are_handed_on(units: Units, actuator: SystemdActuator) -> None:
    for verb in ("stop", "start", "reload"):
        assert (await actuator.execute(Step(name=verb, action=f"systemd.{verb}"), target=SHOP, key=verb)).ok
    assert units.calls == [["stop", "shop.service"], ["start", "shop.service"], ["reload", "shop.service"]]


async def test_an_oom_kill_is_recognised(units: Units, actuator: SystemdActuator) -> None:
    units.add("shop.service", ActiveState="failed", SubState="failed", Result="oom-kill", ExecMainStatus="9")
    assert (await actuator.observe(SHOP)).oom_killed


async def test_the_journal_can_be_read(actuator: SystemdActuator) -> None:
    step = Step(name="logs", action="systemd.logs", args={"lines": 7})
    lines = (await actuator.execute(step, target=SHOP, key="1")).data["lines"]
    assert lines == ["--unit=shop.service", "--lines=7", "--no-pager", "--quiet", "--output=short-iso"]


async def test_a_missing_systemctl_is_told(tmp_path: Path) -> None:
    actuator = build({"systemctl": "/no/such/systemctl"}, tools=tools(tmp_path, http=Http()))
    with pytest.raises(PluginError, match="cannot start /no/such/systemctl"):
        await actuator.observe(SHOP)
