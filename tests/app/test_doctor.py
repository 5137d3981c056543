import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devops_agent import __version__
from devops_agent.app import doctor, lock
from devops_agent.app.finding import Finding, Level
from devops_agent.store import Store, controls, events, heartbeats, open_store

CONFIG = """\
web: {listen: "127.0.0.1:1"}
plugins: {docker: {socket: ./no-docker.sock}}
watchdog: {within: 1m}
targets:
  - {name: worker, process: {name: no-such-worker, command: [sleep, "1"]}, manage: true}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "agent.yaml"
    file.write_text(CONFIG)
    return file


async def found(config: Path) -> dict[str, list[Finding]]:
    every: dict[str, list[Finding]] = {}
    for finding in await doctor.examine(config, environ={}):
        every.setdefault(finding.what, []).append(finding)
    return every


async def store_of(config: Path) -> Store:
    return await open_store(f"sqlite:///{config.parent}/devops-agent-state/agent.db")


async def beat(store: Store, role: str, *, at: datetime, version: str = __version__) -> None:
    one = heartbeats.Heartbeat(role=role, pid=os.getpid(), version=version, started_at=at, at=at)
    await store.write(lambda rows: heartbeats.beat(rows, one))


async def test_everything_that_is_not_in_order_has_a_way_out(config: Path) -> None:
    for finding in await doctor.examine(config, environ={}):
        assert finding.says
        assert bool(finding.way_out) == (finding.level is not Level.OK), finding


async def test_looking_changes_nothing(config: Path) -> None:
    await doctor.examine(config, environ={})
    assert [file.name for file in config.parent.iterdir()] == ["agent.yaml"]


async def test_a_wrong_configuration_is_all_that_is_told(config: Path) -> None:
    config.write_text("pollling: {}\n")
    (only,) = await doctor.examine(config, environ={})
    assert only.level is Level.FAIL
    assert "did you mean 'polling'" in only.says


async def test_the_roles_are_alive_silent_or_never_seen(config: Path) -> None:
    now = datetime.now(UTC)
    async with await store_of(config) as store:
        assert "never seen" in (await found(config))["agent"][0].says
        await beat(store, "agent", at=now)
        await beat(store, "web", at=now - timedelta(minutes=2))
        roles = await found(config)
        assert roles["agent"][0].level is Level.OK
        assert roles["web"][0].says.startswith("silent since")
        await beat(store, "agent", at=now, version="0.0.0")
        assert (await found(config))["agent"][0].level is Level.WARN


async def test_the_holder_of_the_lock_is_told(config: Path) -> None:
    async with await store_of(config):
        assert "free" in (await found(config))["lock"][0].says
        held = lock.take(config.parent / "devops-agent-state" / "agent.lock")
        assert f"pid {os.getpid()}" in (await found(config))["lock"][0].says
        assert doctor.lock_holder(config.parent / "devops-agent-state") == str(os.getpid())
        os.close(held)


async def test_an_overdue_watchdog_and_switches_that_are_off_are_told(config: Path) -> None:
    now = datetime.now(UTC)
    async with await store_of(config) as store:
        await beat(store, "agent", at=now - timedelta(minutes=5))
        await store.write(lambda rows: controls.set_flag(
            rows, "AUTO_REMEDIATION_ENABLED", value=False, by="x", now=now))  # fmt: skip
        await store.write(lambda rows: controls.pause(rows, target="", reason="hm", by="ada", now=now, ends_at=None))
        told = await found(config)
        assert "automatic actions are frozen" in told["watchdog"][0].says
        assert "devops-agent flags AUTO_REMEDIATION_ENABLED on" in [one.way_out for one in told["flags"]]
        assert told["paused"][0].way_out == "devops-agent resume"


async def test_a_clock_behind_the_record_is_told(config: Path) -> None:
    async with await store_of(config) as store:
        later = datetime.now(UTC) + timedelta(hours=1)
        await store.write(lambda rows: events.add(rows, "note", "from the future", at=later))
        assert "ahead of this machine's clock" in (await found(config))["clock"][0].says


async def test_secret_files_that_others_can_read_are_told_without_what_is_in_them(config: Path) -> None:
    secret = config.parent / "token"
    secret.write_text("very-secret")
    secret.chmod(0o644)
    config.write_text(CONFIG.replace("listen:", f"alert_token_file: {secret}, listen:"))
    (one,) = (await found(config))["secrets"]
    assert one.level is Level.FAIL
    assert "chmod 600" in one.way_out
    assert "very-secret" not in one.says
    secret.chmod(0o600)
    assert (await found(config))["secrets"][0].level is Level.OK
    secret.unlink()
    (gone,) = (await found(config))["secrets"]
    assert gone.way_out.startswith("write it")


async def test_a_plugin_that_cannot_be_reached_is_told(config: Path) -> None:
    told = await found(config)
    assert told["docker"][0].level is Level.FAIL
    assert "no-docker.sock" in told["docker"][0].says
    assert told["process"][0].level is Level.WARN


async def test_what_may_be_acted_on_and_what_never_is_listed_with_reasons(config: Path) -> None:
    told = await found(config)
    assert "worker" in told["opted in"][0].says
    never = " ".join(one.says for one in told["never touched"])
    for word in ("the agent's database", "dockerd", "prometheus", "alertmanager", str(config), "it would stop itself"):
        assert word in never
    config.write_text("targets: [{name: seen, tcp: '127.0.0.1:1'}]\n")
    assert (await found(config))["opted in"][0].level is Level.WARN


async def test_a_page_that_does_not_answer_is_told(config: Path) -> None:
    assert "does not answer" in (await found(config))["page"][0].says


async def test_a_broken_store_is_told(config: Path) -> None:
    file = config.parent / "devops-agent-state" / "agent.db"
    file.parent.mkdir(mode=0o700)
    file.write_bytes(b"no database at all" * 200)
    assert (await found(config))["store"][0].level is Level.FAIL


async def test_what_is_asked_and_told_over_the_network_is_reached_and_no_message_is_sent(config: Path) -> None:
    taken: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    here = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with config.open("a") as more:
        more.write(
            "investigation: {model: {name: 'ollama:tiny', base_url: 'http://" + here + "/v1'}}\n"
            "notify:\n  channels:\n"
            "    - {name: desk, via: webhook, options: {url: 'http://" + here + "/hook'}}\n"
            "    - {name: gone, via: webhook, options: {url: 'http://127.0.0.1:1/hook'}}\n"
            "    - {name: wrong, via: webhook, options: {url_file: /nowhere}}\n"
        )
    async with server:
        seen = await found(config)
    assert seen["model"][0].level is Level.OK
    assert [one.level for one in seen["channel"]] == [Level.OK, Level.FAIL, Level.FAIL]
    assert "gone (webhook): cannot reach 127.0.0.1, port 1" in seen["channel"][1].says
    assert "/nowhere" in seen["channel"][2].says
    assert set(taken) <= {b""}


async def test_sources_that_do_not_answer_are_told(config: Path) -> None:
    config.write_text("plugins: {prometheus: {url: 'http://127.0.0.1:1'}, loki: {url: 'http://127.0.0.1:1'}}\n")
    seen = await found(config)
    assert seen["prometheus"][0].level is Level.FAIL
    assert seen["loki"][0].says.startswith("cannot reach 127.0.0.1, port 1")
    assert "plugins.loki.url" in seen["loki"][0].way_out


async def test_who_is_on_call_is_told_and_what_keeps_a_calendar_from_counting(config: Path) -> None:
    with config.open("a") as file:
        file.write(
            "notify:\n"
            "  channels: [{name: ops, via: webhook, options: {url_file: hook.url}}]\n"
            "  people: [{name: alice, channels: ops}]\n"
            "  schedules: [{name: week, people: alice}, {name: night, people: alice, calendar_file: none.ics}]\n"
        )
    told = await found(config)
    week, night = told["on call"]
    assert (week.level, week.says) == (Level.OK, "week: alice")
    assert night.level is Level.WARN
    assert night.says.startswith("night: alice; cannot read ")
    assert any("notify.channels.ops.options.url_file" in finding.says for finding in told["secrets"])
