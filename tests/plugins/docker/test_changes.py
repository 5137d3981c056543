from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import tools
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.plugins.docker.changes import REVISION, VERSION, DockerChanges, build
from devops_agent.plugins.docker.config import PREVIOUS_IMAGE, ROLLBACK
from devops_agent.ports import PluginError
from tests.plugins.asked import serving
from tests.plugins.docker.holding import HoldingEngine

SHOP = Target(name="till", ref="shop", via="docker")
MADE = datetime(2026, 1, 5, 10, 0, 0, 123_456, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def engine() -> HoldingEngine:
    return HoldingEngine()


@pytest.fixture
async def source(engine: HoldingEngine, tmp_path: Path) -> AsyncIterator[DockerChanges]:
    http = Http()
    async with serving(engine.answer, socket=tmp_path / "d.sock"):
        yield build({"socket": str(tmp_path / "d.sock")}, tools=tools(tmp_path, http=http))
        await http.close()


def image(number: int, *, name: str = "shop", **labels: str) -> dict[str, Any]:
    created = f"2026-01-0{number + 1}T00:00:00Z"
    config = {"Labels": labels}
    return {"Id": f"sha256:{number}", "Created": created, "RepoTags": [f"{name}:{number}"], "Config": config}


async def around(source: DockerChanges, at: datetime = MADE) -> list[Change]:
    return await source.changes(SHOP, begin=at - HOUR, end=at + HOUR)


async def test_a_new_container_of_another_image_is_a_change_of_image(
    engine: HoldingEngine, source: DockerChanges
) -> None:
    labels = {VERSION: "2.0", REVISION: "1a2b3c4d5e6f7a8b9c"}
    engine.add("shop")["Config"]["Labels"] = labels
    for one in (image(1, **{VERSION: "1.9"}), image(2, **labels), image(3), image(0)):
        engine.images[one["Id"]] = one
    (change,) = await around(source)
    assert (change.target, change.kind, change.at, change.source) == ("till", ChangeKind.IMAGE, MADE, "docker")
    assert (change.before, change.after) == ("shop:1 (version 1.9)", "shop:2 (version 2.0, revision 1a2b3c4d5e6f)")
    assert change.says.startswith("container shop (000000000000) was made from shop:2")


async def test_without_an_image_before_it_is_a_deployment(engine: HoldingEngine, source: DockerChanges) -> None:
    engine.add("shop")
    (change,) = await around(source)
    assert (change.kind, change.before, change.after) == (ChangeKind.DEPLOYMENT, "", "shop:2")


async def test_our_own_roll_back_is_an_action(engine: HoldingEngine, source: DockerChanges) -> None:
    engine.add("shop")["Config"]["Labels"] = {ROLLBACK: "mark", PREVIOUS_IMAGE: "shop:3"}
    engine.images["shop:3"] = {"Id": "sha256:3", "Config": {"Labels": {VERSION: "3"}}}
    (change,) = await around(source)
    assert (change.kind, change.before, change.after) == (ChangeKind.ACTION, "shop:3 (version 3)", "shop:2")


async def test_a_later_start_is_a_restart(engine: HoldingEngine, source: DockerChanges) -> None:
    state = {"Status": "running", "StartedAt": "2026-01-05T13:00:00Z"}
    engine.add("shop", State=state, RestartCount=3)
    (change,) = await around(source, MADE + 3 * HOUR)
    assert (change.kind, change.at) == (ChangeKind.RESTART, datetime(2026, 1, 5, 13, tzinfo=UTC))
    assert change.says.endswith("was started, by its restart policy for the 3. time")
    both = await source.changes(SHOP, begin=MADE, end=MADE + 4 * HOUR)
    assert [one.kind for one in both] == [ChangeKind.DEPLOYMENT, ChangeKind.RESTART]


async def test_what_is_not_there_was_not_changed(source: DockerChanges) -> None:
    assert await around(source) == []


async def test_an_engine_that_is_away_is_an_error(tmp_path: Path) -> None:
    http = Http()
    away = build({"socket": str(tmp_path / "nothing.sock")}, tools=tools(tmp_path, http=http))
    with pytest.raises(PluginError, match="cannot talk to the Docker engine"):
        await around(away)
    await http.close()
