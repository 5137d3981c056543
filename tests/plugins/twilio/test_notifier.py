"""Twilio's notifier against a recording service."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.plugins.twilio.notifier import Twilio, build
from devops_agent.ports import NotifyError
from tests.plugins.channels import Posted, Says, Service, secret_file, service, tools

SID = "AC" + "0" * 32
TAKEN = {"sid": "SM" + "1" * 32, "status": "queued"}


def made(folder: Path, at: str, **options: object) -> Twilio:
    given = {"account_sid": SID, "sender": "+15550100200", "to": "+15550100300", "url": at, **options}
    return build({"auth_token_file": secret_file(folder, "t0ken"), **given}, tools=tools(folder))


class Phone:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.says = Says(body=TAKEN, status=201)

    def answer(self, _: Posted) -> Says:
        return self.says


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture
async def twilio(phone: Phone) -> AsyncIterator[Service]:
    async with service(phone.answer) as running:
        yield running


class TestContract(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path, twilio: Service) -> Twilio:
        return made(tmp_path, twilio.url)

    @pytest.fixture
    def told(self, twilio: Service) -> Told:
        return lambda: len(twilio.posted)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Twilio:
        return made(tmp_path, "http://127.0.0.1:9")

    @pytest.fixture
    def refusing(self, tmp_path: Path, twilio: Service, phone: Phone) -> Twilio:
        phone.says = Says(body={"code": 21610, "message": "Attempt to send to unsubscribed recipient"}, status=400)
        return made(tmp_path, twilio.url)


async def test_a_message_is_posted_to_the_account_with_its_credentials(tmp_path: Path, twilio: Service) -> None:
    receipt = await made(tmp_path, twilio.url).send(message())
    posted = twilio.posted[0]
    assert posted.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert posted.headers["Authorization"].startswith("Basic ")
    assert posted.form["To"] == "+15550100300"
    assert posted.form["From"] == "+15550100200"
    assert posted.form.keys() == {"To", "From", "Body"}
    assert receipt.id == TAKEN["sid"]


async def test_a_messaging_service_stands_in_for_a_number(tmp_path: Path, twilio: Service) -> None:
    await made(tmp_path, twilio.url, sender="", messaging_service_sid="MG" + "2" * 32).send(message())
    assert twilio.posted[0].form.keys() == {"To", "MessagingServiceSid", "Body"}


async def test_somebody_who_said_stop_is_told_as_such(tmp_path: Path, twilio: Service, phone: Phone) -> None:
    phone.says = Says(body={"code": 21610, "message": "Attempt to send to unsubscribed recipient"}, status=400)
    with pytest.raises(NotifyError, match="START") as raised:
        await made(tmp_path, twilio.url).send(message())
    assert raised.value.permanent


async def test_too_many_messages_wait_as_long_as_twilio_wants(tmp_path: Path, twilio: Service, phone: Phone) -> None:
    phone.says = Says(body={"code": 20429, "message": "slow down"}, status=429, headers={"Retry-After": "7"})
    with pytest.raises(NotifyError) as raised:
        await made(tmp_path, twilio.url).send(message())
    assert not raised.value.permanent
    assert raised.value.after == timedelta(seconds=7)


async def test_a_fault_of_twilio_passes(tmp_path: Path, twilio: Service, phone: Phone) -> None:
    phone.says = Says(body="<html>bad gateway</html>", status=502)
    with pytest.raises(NotifyError, match="502") as raised:
        await made(tmp_path, twilio.url).send(message())
    assert not raised.value.permanent


async def test_a_missing_secret_is_said_with_its_path(tmp_path: Path, twilio: Service) -> None:
    notifier = made(tmp_path, twilio.url, auth_token_file=str(tmp_path / "none"))
    with pytest.raises(NotifyError, match="none") as raised:
        await notifier.send(message())
    assert raised.value.permanent
    assert not twilio.posted


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"account_sid": "AC1"}, "account_sid"),
        ({"sender": ""}, "one of sender and messaging_service_sid"),
        ({"to": "0171 555"}, "to is"),
        ({"url": "ftp://x"}, "url is"),
        ({"sound": "loud"}, "sound"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        made(tmp_path, "http://127.0.0.1:9", **options)
