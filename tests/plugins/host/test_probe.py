from datetime import timedelta
from pathlib import Path

from devops_agent.kit.http import Http
from devops_agent.kit.testing import FakeClock, tools
from devops_agent.model.target import Target
from devops_agent.plugins.host.probe import HostProbe, build

MINUTE = timedelta(minutes=1)


def probe(folder: Path, clock: FakeClock) -> HostProbe:
    return build({}, tools=tools(folder, clock=clock, http=Http()))


async def look(probe: HostProbe, target: Target) -> dict[str, object]:
    return {seen.name: seen.value for seen in await probe.look(target, window=MINUTE)}


async def test_a_host_gives_disk_memory_and_load(tmp_path: Path) -> None:
    seen = await look(probe(tmp_path, FakeClock()), Target(name="here", via="host"))
    assert set(seen) == {"disk_percent", "disk_free_mb", "memory_percent", "load_1m"}
    for name in ("disk_percent", "memory_percent"):
        value = seen[name]
        assert isinstance(value, float)
        assert 0 < value < 100


async def test_others_give_only_what_they_name(tmp_path: Path) -> None:
    plain = Target(name="shop", via="docker")
    assert await look(probe(tmp_path, FakeClock()), plain) == {}
    with_path = plain.with_(options={"path": str(tmp_path), "command": ["x"]})
    assert set(await look(probe(tmp_path, FakeClock()), with_path)) == {"disk_percent", "disk_free_mb"}


async def test_the_growth_of_logs_is_the_mean_since_the_last_look(tmp_path: Path) -> None:
    clock = FakeClock()
    (tmp_path / "logs").mkdir()
    log, other = tmp_path / "app.log", tmp_path / "logs" / "other.log"
    log.write_bytes(b"x" * 5_000_000)
    other.write_bytes(b"x" * 3_000_000)
    target = Target(name="shop", via="docker", options={"logs": [str(log), str(tmp_path / "logs")]})
    looking = probe(tmp_path, clock)
    assert await look(looking, target) == {}
    log.write_bytes(b"x" * 7_000_000)
    other.write_bytes(b"x" * 1_000_000)
    await clock.advance(30)
    assert await look(looking, target) == {"log_growth_mb_per_minute": 6.0}
    await clock.advance(30)
    assert await look(looking, target) == {"log_growth_mb_per_minute": 0.0}


async def test_what_cannot_be_looked_at_is_evidence(tmp_path: Path) -> None:
    looking = probe(tmp_path, FakeClock())
    missing = Target(name="shop", via="docker", options={"path": "/no/such/path", "logs": ["/no/such/log"]})
    (seen,) = await looking.look(missing, window=MINUTE)
    assert (seen.value, seen.says) == (False, "cannot look at the disk of /no/such/path: No such file or directory")
    wrong = Target(name="shop", via="docker", options={"logs": 3})
    assert await look(looking, wrong) == {"host": False}
