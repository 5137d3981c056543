"""TCP checks, and the verdict on why a target does not answer."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing import FakeClock, tools
from devops_agent.kit.tools import SettingsError
from devops_agent.model.evidence import Evidence
from devops_agent.model.target import Check, Target
from devops_agent.plugins.network.config import Config
from devops_agent.plugins.network.diagnosis import Diagnosis, Verdict, build
from devops_agent.plugins.network.probe import TcpProbe
from devops_agent.plugins.network.way import Way, has_default_route, host_and_port

WINDOW = timedelta(minutes=5)
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_ROUTE = OSError(errno.ENETUNREACH, "Network is unreachable")
NO_HOST = OSError(errno.EHOSTUNREACH, "No route to host")
SILENCE = TimeoutError()
NO_SUCH_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_RESOLVER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@dataclass
class World:
    """A network of its own: what is not named in it answers."""

    names: dict[str, OSError] = field(default_factory=dict)
    hosts: dict[str, OSError] = field(default_factory=dict)
    routed: bool = True

    def way(self) -> Way:
        return Way(resolve=self._resolve, connect=self._connect, routed=lambda: self.routed)

    async def _resolve(self, name: str) -> list[str]:
        if error := self.names.get(name) or self.names.get("*"):
            raise error
        return ["203.0.113.7"]

    async def _connect(self, host: str, port: int) -> None:
        if error := self.hosts.get(host) or self.hosts.get("*"):
            raise error


@pytest.fixture
async def listening() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port
        yield taken.getsockname()[1]


async def verdict(world: World, *, host: str = "shop", config: Config | None = None) -> Evidence:
    config = config or Config(references=("192.0.2.1:53", "gateway:80"), known_name="example.org")
    *seen, last = await Diagnosis(config, clock=FakeClock(), way=world.way()).diagnose(host, 8000)
    assert last.name == "verdict"
    assert seen[0].name == "dns"
    return last


async def test_a_port_that_takes_connections_passes(listening: int, closed: int) -> None:
    target = Target(
        name="db",
        checks=(
            Check(name="port", kind="tcp", url=f"127.0.0.1:{listening}"),
            Check(name="other", kind="tcp", url=f"127.0.0.1:{closed}"),
            Check(name="health", kind="http", url=f"http://127.0.0.1:{closed}/health"),
        ),
    )
    seen = {piece.name: piece for piece in await TcpProbe(clock=FakeClock()).look(target, window=WINDOW)}
    assert (seen["port"].value, seen["other"].value, seen["other.error"].value) == (True, False, "refused")
    assert "cannot connect to 127.0.0.1" in seen["other"].says
    assert set(seen) == {"port", "other", "other.error"}


@pytest.mark.parametrize(
    ("check", "word"),
    [
        (Check(kind="tcp", url="nonsense"), "address"),
        (Check(kind="tcp", url="shop:80", max_latency=timedelta(0)), "latency"),
        (Check(kind="tcp", url="lost:80"), "timeout"),
        (Check(kind="tcp", url="gone:80"), "no such name"),
    ],
)
async def test_each_failure_has_its_word(check: Check, word: str) -> None:
    world = World(hosts={"lost": SILENCE, "gone": NO_SUCH_NAME})
    seen = await TcpProbe(clock=FakeClock(), way=world.way()).look(Target(name="x", checks=(check,)), window=WINDOW)
    assert [(piece.name, piece.value) for piece in seen] == [("health", False), ("health.error", word)]


async def test_the_real_way_tells_reachable_from_service_down(listening: int, closed: int) -> None:
    diagnosis = Diagnosis(Config(), clock=FakeClock())
    for port, expected in ((listening, Verdict.REACHABLE), (closed, Verdict.SERVICE_DOWN)):
        target = Target(name="shop", checks=(Check(url=f"http://localhost:{port}/health"),))
        seen = {piece.name: piece for piece in await diagnosis.look(target, window=WINDOW)}
        assert seen["dns"].value is True
        assert seen["tcp"].value is (expected is Verdict.REACHABLE)
        assert seen["verdict"].value == expected
    assert await diagnosis.look(Target(name="bare"), window=WINDOW) == []


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(World(), Verdict.REACHABLE, id="all well"),
        pytest.param(World(hosts={"shop": REFUSED}), Verdict.SERVICE_DOWN, id="refused"),
        pytest.param(World(hosts={"shop": SILENCE}), Verdict.HOST_UNREACHABLE, id="only it is silent"),
        pytest.param(World(hosts={"shop": NO_HOST, "192.0.2.1": REFUSED}), Verdict.HOST_UNREACHABLE, id="we get out"),
        pytest.param(World(hosts={"*": SILENCE}), Verdict.NETWORK_DOWN, id="all is silent"),
        pytest.param(World(hosts={"*": NO_ROUTE}), Verdict.NETWORK_DOWN, id="no way out"),
        pytest.param(World(names={"shop": NO_SUCH_NAME}), Verdict.HOST_UNREACHABLE, id="only its name is gone"),
        pytest.param(World(names={"*": NO_RESOLVER}), Verdict.NAME_RESOLUTION_BROKEN, id="no name resolves"),
        pytest.param(World(names={"*": SILENCE}), Verdict.NAME_RESOLUTION_BROKEN, id="the resolver is silent"),
        pytest.param(World(names={"*": NO_RESOLVER}, hosts={"*": NO_ROUTE}), Verdict.NETWORK_DOWN, id="nothing works"),
    ],
)
async def test_the_verdict_names_what_is_broken(world: World, expected: Verdict) -> None:
    said = await verdict(world)
    assert said.value == expected
    assert said.says


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(World(hosts={"shop": SILENCE}), Verdict.HOST_UNREACHABLE, id="there is a way out"),
        pytest.param(World(hosts={"shop": SILENCE}, routed=False), Verdict.HOST_UNREACHABLE, id="a closed network"),
        pytest.param(World(hosts={"shop": NO_ROUTE}, routed=False), Verdict.NETWORK_DOWN, id="no route"),
        pytest.param(World(names={"*": NO_SUCH_NAME}), Verdict.HOST_UNREACHABLE, id="the resolver knows no such name"),
        pytest.param(World(names={"*": NO_RESOLVER}), Verdict.NAME_RESOLUTION_BROKEN, id="the resolver fails"),
        pytest.param(World(names={"*": NO_RESOLVER}, routed=False), Verdict.NETWORK_DOWN, id="no resolver, no route"),
    ],
)
async def test_without_references_the_default_route_has_to_do(world: World, expected: Verdict) -> None:
    assert (await verdict(world, config=Config())).value == expected


async def test_this_machine_cannot_be_unreachable() -> None:
    world = World(hosts={"127.0.0.1": SILENCE})
    assert (await verdict(world, host="127.0.0.1")).value == Verdict.SERVICE_DOWN


def test_reads_default_routes_of_both_families(tmp_path: Path) -> None:
    four, six = tmp_path / "route", tmp_path / "ipv6_route"
    head = "Iface\tDestination\tGateway\tFlags\n"
    near = head + "eth0\t000011AC\t00000000\t0001\n"
    unreachable = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
    four.write_text(near)
    six.write_text(unreachable)
    assert not has_default_route((four, six))
    four.write_text(near + "eth0\t00000000\t010011AC\t0003\n")
    assert has_default_route((four, six))
    four.write_text(near)
    six.write_text(unreachable.replace("       lo", "     eth0"))
    assert has_default_route((four, six))
    six.unlink()
    assert has_default_route((four, six))


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("db:5432", ("db", 5432)),
        ("[::1]:80", ("::1", 80)),
        ("http://shop/health", ("shop", 80)),
        ("https://shop:8443/x", ("shop", 8443)),
        ("shop", None),
        ("shop:http", None),
        (":80", None),
        ("", None),
    ],
)
def test_reads_host_and_port(where: str, read: tuple[str, int] | None) -> None:
    assert host_and_port(where) == read


def test_a_reference_that_is_no_address_is_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'gateway' is no address; write host:port"):
        build({"references": ["gateway"]}, tools=tools(tmp_path))
