"""The real parts as fixtures; one that is not here skips its tests, or fails them where REQUIRE_REAL_PARTS=1 (CI)."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.local_model import start_model
from tests.real.logql import LogQL
from tests.real.parts import Docker, Missing, Postgres, Server, find, start_alertmanager, start_prometheus


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one lane, one after the other: they share an engine, and each starts whole programs."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("real"))


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Docker]:
    """A private Docker engine for the whole session; give containers names of your own and remove them after the test.

    `docker_engine.socket` is its path, `.busybox(tag)` and `.python(tag)` make images, `.run(image, name, …)` starts a
    container, `.say("inspect", …)` is Docker's own program.
    """
    with _needed():
        engine = Docker.start()
    yield engine
    engine.stop()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`prometheus(config, rules={"rules.yml": text})` starts one with that prometheus.yml and returns it (`.url`)."""
    started: list[Server] = []

    def start(config: str, *, rules: dict[str, str] | None = None) -> Server:
        folder = tmp_path / f"prometheus-{len(started)}"
        folder.mkdir()
        with _needed():
            started.append(start_prometheus(folder, config, rules=rules))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """`alertmanager(config)` starts one with that alertmanager.yml and returns it (`.url`, `.reload()`)."""
    started: list[Server] = []

    def start(config: str) -> Server:
        folder = tmp_path / f"alertmanager-{len(started)}"
        folder.mkdir()
        with _needed():
            started.append(start_alertmanager(folder, config))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def logql() -> Iterator[LogQL]:
    """A server that speaks Loki's API, for the whole session: `.url`, `.push(labels, lines)`; use your own labels."""
    with _needed():
        server = LogQL.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A fresh PostgreSQL cluster for the whole session: `.create_database()` returns the URL of an empty database."""
    with _needed():
        cluster = Postgres.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database that is dropped after the test."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def wrk() -> str:
    """The path of wrk, the HTTP load generator."""
    with _needed():
        return find("wrk")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, for Playwright's `executable_path`."""
    with _needed():
        return find("chromium")


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds what people with impairments could not use; a page evaluates it."""
    with _needed():
        source = Path(__file__).resolve().parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
        if not source.exists():
            raise Missing("axe-core is not installed; `make real-parts` installs it")
        return source.read_text()


@pytest.fixture(scope="module")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a small language model, in OpenAI's interface."""
    with _needed():
        program, url = start_model(tmp_path_factory.mktemp("model"))
    yield url
    program.stop()
