"""Apprise against services on loopback: what leaves is what PagerDuty, Opsgenie, Discord, Teams and ntfy expect."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from apprise.plugins import discord, opsgenie, pagerduty

from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.model.alert import Severity
from devops_agent.plugins.apprise.notifier import AppriseNotifier, build
from devops_agent.ports import NotifyError
from tests.kit.answering import own_authority
from tests.plugins.channels import Posted, Says, Service, secret_file, service, tools

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
INTEGRATION, API_KEY = "i" * 32, "a" * 32


class Elsewhere:
    """Any service: it takes everything, or answers as it is told."""

    def __init__(self) -> None:
        self.says = Says(body={"requestId": "r-1"}, status=200)
        self.hangs = False

    async def answer(self, _: Posted) -> Says:
        if self.hangs:
            await asyncio.sleep(5)
        return self.says


def made(folder: Path, url: str, **options: object) -> AppriseNotifier:
    return build({"url": url, **options}, tools=tools(folder))


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
async def running(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    async with service(elsewhere.answer) as serving:
        monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"{serving.url}/v2/enqueue")
        monkeypatch.setitem(opsgenie.OPSGENIE_API_LOOKUP, "us", f"{serving.url}/v2/alerts")
        monkeypatch.setattr(discord.NotifyDiscord, "notify_url", f"{serving.url}/api/webhooks")
        yield serving


def ntfy(serving: Service) -> str:
    return f"{serving.url.replace('http', 'ntfy')}/operations"


class TestContract(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path, running: Service) -> AppriseNotifier:
        return made(tmp_path, ntfy(running))

    @pytest.fixture
    def told(self, running: Service) -> Told:
        return lambda: len(running.posted)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> AppriseNotifier:
        return made(tmp_path, "ntfy://127.0.0.1:9/operations")

    @pytest.fixture
    def refusing(self, tmp_path: Path, running: Service, elsewhere: Elsewhere) -> AppriseNotifier:
        elsewhere.says = Says(status=403)
        return made(tmp_path, ntfy(running))


async def test_ntfy_gets_topic_title_and_text(tmp_path: Path, running: Service) -> None:
    await made(tmp_path, ntfy(running)).send(message())
    said = running.posted[0].json
    assert said["topic"] == "operations"
    assert "INC-1 api: is down" in said["title"]
    assert "restarting it did not help" in said["message"]


async def test_pagerduty_keeps_an_incident_together_and_closes_it(tmp_path: Path, running: Service) -> None:
    duty = made(tmp_path, f"pagerduty://{INTEGRATION}@{API_KEY}")
    assert duty.knows_repeats
    await duty.send(message("INC-1/escalated"))
    await duty.send(message("INC-1/reminder", kind="reminder"))
    await duty.send(message("INC-1/healed", kind="healed", severity=Severity.INFO, closes=True))
    first, again, last = (posted.json for posted in running.posted)
    assert running.posted[0].path == "/v2/enqueue"
    assert (first["routing_key"], first["event_action"], first["dedup_key"]) == (INTEGRATION, "trigger", "INC-1")
    assert first["payload"]["severity"] == "critical"
    assert {"summary", "source"} <= first["payload"].keys()
    assert (again["event_action"], again["dedup_key"]) == ("trigger", "INC-1")
    assert last == {"routing_key": INTEGRATION, "event_action": "resolve", "dedup_key": "INC-1"}


async def test_what_is_of_no_incident_has_its_own_key(tmp_path: Path, running: Service) -> None:
    await made(tmp_path, f"pagerduty://{INTEGRATION}@{API_KEY}").send(message("storm/1", thread=""))
    assert running.posted[0].json["dedup_key"] == "storm/1"


async def test_opsgenie_keeps_an_incident_together_by_its_alias(tmp_path: Path, running: Service) -> None:
    genie = made(tmp_path, f"opsgenie://{API_KEY}")
    await genie.send(message("INC-1/escalated"))
    await genie.send(message("INC-1/healed", kind="healed", closes=True))
    assert [posted.path for posted in running.posted] == ["/v2/alerts", "/v2/alerts"]
    assert {posted.json["alias"] for posted in running.posted} == {"INC-1"}
    assert running.posted[0].headers["Authorization"] == f"GenieKey {API_KEY}"
    assert len(running.posted[0].json["message"]) <= 130


async def test_discord_gets_a_message_that_calls_nobody(tmp_path: Path, running: Service) -> None:
    url = "discord://1234567890123456/abcdefghijklmnop_qrstuvwxyz"
    await made(tmp_path, url).send(message(says="@everyone look at [this](http://evil.example) <@123>"))
    said = running.posted[0]
    assert said.path.startswith("/api/webhooks/1234567890123456/")
    whole = said.body.decode()
    assert "INC-1 api: is down" in whole
    for call in ("@everyone", "](http://evil", "<@123>"):
        assert call not in whole
        assert call not in str(said.json)


async def test_what_is_too_long_is_cut_not_refused(tmp_path: Path, running: Service) -> None:
    url = "discord://1234567890123456/abcdefghijklmnop_qrstuvwxyz"
    await made(tmp_path, url).send(message(says="the disk is full " * 1_000))
    [said] = running.posted
    assert len(str(said.json.get("content", "") or said.json["embeds"][0]["description"])) <= 2_000


async def test_teams_gets_an_adaptive_card(
    tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = own_authority(tmp_path, days=2)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    async with service(elsewhere.answer, tls=server) as serving:
        host = serving.url.removeprefix("https://")
        await made(tmp_path, f"workflows://{host}/{'w' * 32}/{'s' * 43}").send(message())
        card = serving.posted[0].json["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "INC-1 api: is down" in str(card["content"])


@pytest.mark.parametrize(("status", "permanent"), [(401, True), (404, True), (429, False), (500, False)])
async def test_apprise_s_reason_is_told_without_the_url(
    tmp_path: Path,
    running: Service,
    elsewhere: Elsewhere,
    status: int,
    permanent: bool,  # noqa: FBT001 — a case
) -> None:
    elsewhere.says = Says(status=status)
    url = f"{running.url.replace('http://', 'ntfy://nobody:p4ssw0rd@')}/s3cret-topic"
    with pytest.raises(NotifyError, match=str(status)) as raised:
        await made(tmp_path, url).send(message())
    assert raised.value.permanent is permanent
    assert not {part for part in ("p4ssw0rd", "s3cret-topic") if part in str(raised.value)}


async def test_a_url_may_come_from_a_file(tmp_path: Path, running: Service) -> None:
    file = secret_file(tmp_path, ntfy(running))
    await build({"url_file": file}, tools=tools(tmp_path)).send(message())
    assert running.posted


@pytest.mark.parametrize("url", ["nosuch://host/x", "pagerduty://short", "discord://"])
async def test_a_url_of_no_service_is_refused_for_good(tmp_path: Path, url: str) -> None:
    with pytest.raises(NotifyError, match="caronc/apprise/wiki") as raised:
        await made(tmp_path, url).send(message())
    assert raised.value.permanent


async def test_a_service_that_hangs_is_given_up_for_now(tmp_path: Path, running: Service, elsewhere: Elsewhere) -> None:
    elsewhere.hangs = True
    with pytest.raises(NotifyError, match="may have been taken") as raised:
        await made(tmp_path, f"{ntfy(running)}?rto=0.3", timeout=0.05).send(message())
    assert not raised.value.permanent


@pytest.mark.parametrize("options", [{}, {"url": "x://y", "url_file": "z"}, {"url": "no scheme"}])
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        build(options, tools=tools(tmp_path))


async def test_apprise_is_not_loaded_before_it_is_needed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from devops_agent.kit.testing.handed import tools;"
        "from devops_agent.plugins.apprise.notifier import build;"
        "build({'url': 'ntfy://localhost/x'}, tools=tools(Path('.')));"
        "sys.exit('apprise' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=tmp_path)
    assert await process.wait() == 0
