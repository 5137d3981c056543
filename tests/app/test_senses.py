import subprocess
import sys
from pathlib import Path

import pytest

from devops_agent.app.senses import build_senses
from devops_agent.config.settings import Settings
from devops_agent.kit.testing import FakeClock
from devops_agent.kit.tools import SettingsError
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Lines
from devops_agent.ports import Logs, PluginError

URL: dict[str, object] = {"url": "http://127.0.0.1:1"}


def settings(*targets: Target, **plugins: dict[str, object]) -> Settings:
    return Settings(targets=targets, plugins=plugins)


async def names(given: Settings) -> tuple[bool, list[str], list[str]]:
    senses = build_senses(given, clock=FakeClock())
    await senses.close()
    sources = senses.sources()
    assert [name for name, _ in sources.logs] == list(senses.logs)
    assert [name for name, _ in sources.changes] == list(senses.changes)
    return sources.metrics is not None, list(senses.logs), list(senses.changes)


async def test_nothing_said_is_nothing_to_ask() -> None:
    assert await names(settings(Target(name="shop", via="supervisord"))) == (False, [], [])


async def test_logs_that_outlive_a_container_are_asked_for_first() -> None:
    shop = Target(name="shop", via="docker")
    assert await names(settings(shop, loki=URL, prometheus=URL)) == (True, ["loki", "docker"], ["docker"])


async def test_options_of_a_target_bring_what_reads_them() -> None:
    shop = Target(name="shop", via="process", options={"log": "/var/log/shop", "repository": "/srv/shop"})
    till = Target(name="till", options={"deployments": "/srv/deployments"})
    assert await names(settings(shop, till)) == (False, ["process"], ["deployments", "git"])


@pytest.mark.parametrize("given", [{"prometheus": {}}, {"loki": {"url": "here"}}, {"locki": URL}])
def test_settings_that_cannot_work_are_refused(given: dict[str, dict[str, object]]) -> None:
    with pytest.raises(SettingsError, match="plugins"):
        build_senses(settings(**given), clock=FakeClock())


async def test_prometheus_looks_targets_up_by_the_labels_of_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    from devops_agent.app.parts import plugin_settings
    from devops_agent.config.settings import Alerting

    given = settings(prometheus=URL).with_(alerting=Alerting(service_labels=("app",)))
    assert plugin_settings(given, "prometheus") == {"labels": ("app",), **URL}
    own = given.with_(plugins={"prometheus": {**URL, "labels": ["svc"]}})
    assert plugin_settings(own, "prometheus")["labels"] == ["svc"]


async def first_that_answers(logs: dict[str, Logs], target: Target, given: FakeClock) -> Lines | None:
    for source in logs.values():
        try:
            return await source.lines(target, begin=given.now(), end=given.now())
        except PluginError:
            continue
    return None


async def test_a_source_that_is_away_leaves_the_next_one_to_answer(tmp_path: Path) -> None:
    file = tmp_path / "shop.log"
    file.write_text("2026-01-05T12:00:00Z hello\n")
    shop = Target(name="shop", via="process", options={"log": str(file)})
    clock = FakeClock()
    senses = build_senses(settings(shop, loki=URL), clock=clock)
    answer = await first_that_answers(dict(senses.logs), shop, clock)
    await senses.close()
    assert answer is not None
    assert answer.query == f"tail {file}"


def test_what_is_not_spoken_of_is_not_imported_and_nothing_here_is_heavy() -> None:
    code = (
        "import sys\n"
        "from devops_agent.app.parts import build_parts, nobody\n"
        "from devops_agent.app.clock import SystemClock\n"
        "from devops_agent.config.settings import Settings\n"
        "def loaded(word): return [name for name in sys.modules if word in name]\n"
        "build_parts(Settings(), guardian=nobody(), clock=SystemClock())\n"
        "assert not loaded('plugins.prometheus') and not loaded('plugins.loki'), sys.modules\n"
        "given = Settings(plugins={'prometheus': {'url': 'http://127.0.0.1:1'}})\n"
        "parts = build_parts(given, guardian=nobody(), clock=SystemClock())\n"
        "assert 'prometheus' in parts.probes\n"
        "for word in ('numpy', 'pydantic', 'prometheus_client'): assert not loaded(word), word\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
