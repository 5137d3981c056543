"""Every test of the store runs on both engines; PostgreSQL is a real part (`-m "not real"` leaves it out)."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from devops_agent.store import Store, open_store
from devops_agent.store.pump import Connection
from tests.real.parts import Missing, Postgres
from tests.store.connecting import connect

TEMPLATE = "template_of_the_store"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A fresh PostgreSQL cluster for the whole session."""
    try:
        cluster = Postgres.start()
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The name of a database that has the schema already: a copy of it is made in a few milliseconds."""
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{TEMPLATE}"'.encode())
    asyncio.run(_migrate(postgres.url_of(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def postgres_url(postgres: Postgres, template: str) -> Iterator[str]:
    """The URL of a database with the schema and no rows."""
    import psycopg

    name = "one_test"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    url = postgres.url_of(name)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/agent.db"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of each engine in turn."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An empty store, on each engine in turn."""
    async with await open_store(url) as opened:
        yield opened


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A writing connection to an empty database with the schema, on each engine in turn; for tests without tasks."""
    asyncio.run(_migrate(url))
    opened = connect(url)
    yield opened
    opened.close()


async def _migrate(url: str) -> None:
    await (await open_store(url)).close()
