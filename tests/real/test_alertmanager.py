"""With events off and polls rare, Prometheus and Alertmanager alone tell of a killed container, and of its recovery."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devops_agent.model.incident import Status
from tests.real.parts import Docker, Server
from tests.real.running import Site, site, until
from tests.real.test_heal_docker import RARE, STORY, inspect, start_shop

TOKEN = "made-up-token-of-the-sender"
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: shop}}}}]
"""
RULES = """
groups:
  - name: shop
    rules:
      - alert: ServiceDown
        expr: up{job="shop"} == 0
        for: 1s
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.service }} does not answer"}
"""
# The resolved alert comes with the group's next interval: long after the container is well again.
ALERTMANAGER = """
route: {{receiver: agent, group_by: [service], group_wait: 0s, group_interval: 15s, repeat_interval: 1h}}
receivers:
  - name: agent
    webhook_configs:
      - url: {url}/webhook/alerts
        http_config: {{authorization: {{type: Bearer, credentials_file: {token}}}}}
"""


@pytest.fixture
def engine(docker_engine: Docker) -> Iterator[Docker]:
    yield docker_engine
    docker_engine.remove_all()


async def is_up(made: Site, monitor: Server) -> bool:
    async with made.http.get(f"{monitor.url}/api/v1/query", params={"query": 'up{job="shop"}'}) as answer:
        found = (await answer.json())["data"]["result"]
    return bool(found) and found[0]["value"][1] == "1"


async def test_alerts_alone_heal_a_container_and_close_its_incident(
    engine: Docker, prometheus: Callable[..., Server], alertmanager: Callable[[str], Server], tmp_path: Path
) -> None:
    port = start_shop(engine)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings = {
        "polling": RARE,
        "web": {"alert_token_file": str(token)},
        "plugins": {"docker": {"socket": engine.socket, "discover": False, "events": False}},
        "targets": [{"docker": "shop"}],
    }
    async with site(tmp_path / "site", settings) as made:
        await made.start()
        sender = alertmanager(ALERTMANAGER.format(url=made.url, token=token))
        address = sender.url.removeprefix("http://")
        monitor = prometheus(PROMETHEUS.format(alertmanager=address, port=port), rules={"rules.yml": RULES})
        await made.well("shop")
        await until(lambda: is_up(made, monitor), "Prometheus to see the shop")
        before = inspect(engine, "shop", ".State.StartedAt")
        engine.say("kill", "shop")
        incident = await made.incident("shop", Status.VERIFYING)
        await made.told("healthy", incident=incident.id)
        waiting = await made.incident("shop")
        closed = await made.incident("shop", Status.RESOLVED)
        kinds = [event.kind for event in await made.timeline(incident.id)]
        alerts = (await made.ask(f"/api/v1/incidents/{incident.id}/alerts"))[1]["items"]
        assert waiting.status is Status.VERIFYING
        assert closed.id == incident.id
        assert kinds == list(STORY)
        assert [(one["source"], one["status"]) for one in alerts] == [("alertmanager", "resolved")]
        assert inspect(engine, "shop", ".State.StartedAt") > before
