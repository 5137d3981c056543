"""Groups that were cut are fetched in full."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing.clock import FakeClock
from devops_agent.plugins.alertmanager.client import AlertmanagerClient
from devops_agent.plugins.alertmanager.completer import AlertmanagerCompleter
from devops_agent.ports import PluginError
from tests.plugins.http.serving import Server, answering

LISTED = [
    {
        "annotations": {"summary": "node-1 is full"},
        "endsAt": "2099-03-11T12:54:18.427Z",
        "fingerprint": "aae7a1432b5d2f1b",
        "receivers": [{"name": "by-name"}],
        "startsAt": "2026-01-05T11:48:38.413Z",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2026-01-05T11:49:18.427Z",
        "generatorURL": "http://127.0.0.1/prometheus",
        "labels": {"alertname": "DiskFull", "instance": "node-1"},
    },
    {
        "annotations": {},
        "endsAt": "2099-03-11T12:54:18.427Z",
        "fingerprint": "54c2f185e49cfccb",
        "receivers": [{"name": "by-name"}],
        "startsAt": "2026-01-05T11:48:38.413Z",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": ["810ccf7f"], "state": "suppressed"},
        "updatedAt": "2026-01-05T11:49:18.427Z",
        "labels": {"alertname": "DiskFull", "instance": "node-2"},
    },
    {
        "annotations": {},
        "endsAt": "2099-03-11T12:54:18.427Z",
        "fingerprint": "5cb0dd95e7f3d9c0",
        "receivers": [{"name": "by-name"}],
        "startsAt": "2026-01-05T11:48:38.413Z",
        "status": {"inhibitedBy": ["aae7a1432b5d2f1b"], "mutedBy": [], "silencedBy": [], "state": "suppressed"},
        "updatedAt": "2026-01-05T11:49:18.427Z",
        "labels": {"alertname": "DiskFull", "instance": "node-3"},
    },
]
PATH = (
    "/am/api/v2/alerts?active=true&silenced=false&inhibited=false&unprocessed=false"
    "&filter=alertname%3D%22Disk%5C%22Full%22"
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering({PATH: (200, LISTED)}) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    await client.close()


def completer(server: Server, http: Http) -> AlertmanagerCompleter:
    return AlertmanagerCompleter(
        AlertmanagerClient(f"{server.url}/am/", http=http, token="secret", timeout=2), clock=FakeClock()
    )


async def test_what_is_silenced_or_inhibited_is_left_out(server: Server, http: Http) -> None:
    alerts = await completer(server, http).complete({"alertname": 'Disk"Full'}, group_key="{}:{}")
    assert [alert.labels["instance"] for alert in alerts] == ["node-1"]
    assert alerts[0].firing
    assert alerts[0].source == "alertmanager"
    assert alerts[0].group_key == "{}:{}"
    asked = server.asked[0]
    assert parse_qs(urlsplit(asked.path).query)["filter"] == ['alertname="Disk\\"Full"']
    assert asked.headers["authorization"] == "Bearer secret"


async def test_a_refusal_says_what_alertmanager_said(server: Server, http: Http) -> None:
    server.answers[PATH] = (400, "bad matcher format")
    with pytest.raises(PluginError, match="400 bad matcher format") as caught:
        await completer(server, http).complete({"alertname": 'Disk"Full'})
    assert not caught.value.retryable


@pytest.mark.parametrize("said", [{"status": "success"}, "<html>", [{"labels": 3}]])
async def test_an_answer_that_is_no_list_of_alerts_is_an_error(server: Server, http: Http, said: object) -> None:
    server.answers[PATH] = (200, said)
    with pytest.raises(PluginError, match="cannot read the answer"):
        await completer(server, http).complete({"alertname": 'Disk"Full'})


async def test_without_an_address_it_says_where_to_write_it() -> None:
    with pytest.raises(PluginError, match=r"plugins\.alertmanager\.url") as caught:
        await AlertmanagerCompleter(None, clock=FakeClock()).complete({})
    assert not caught.value.retryable
