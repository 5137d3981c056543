"""Mail against a server on loopback."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.plugins.email.notifier import Email, build
from devops_agent.ports import NotifyError
from tests.kit.answering import own_authority
from tests.plugins.channels import secret_file, tools
from tests.plugins.email.smtp import MailServer, mail_server, part

SENDER, ALICE, BOB = "agent@example.com", "alice@example.com", "bob@example.com"


def made(folder: Path, port: int, **options: object) -> Email:
    given = {"host": "localhost", "port": port, "security": "none", "sender": SENDER, "to": [ALICE], **options}
    return build(given, tools=tools(folder))


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as running:
        yield running


async def refused(notifier: Email) -> NotifyError:
    with pytest.raises(NotifyError) as raised:
        await notifier.send(message())
    return raised.value


class TestContract(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path, server: MailServer) -> Email:
        return made(tmp_path, server.port)

    @pytest.fixture
    def told(self, server: MailServer) -> Told:
        return lambda: len(server.arrived)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Email:
        return made(tmp_path, 9)

    @pytest.fixture
    def refusing(self, tmp_path: Path, server: MailServer) -> Email:
        server.refuses = {ALICE: "550 no such user"}
        return made(tmp_path, server.port)


async def test_a_mail_has_both_forms_and_goes_to_everybody(tmp_path: Path, server: MailServer) -> None:
    await made(tmp_path, server.port, to=[ALICE, BOB]).send(message())
    [arrived] = server.arrived
    assert (arrived.sender, arrived.to) == (SENDER, (ALICE, BOB))
    assert "restarting it did not help" in part(arrived.mail, "plain")
    assert '<a href="https://agent.example.com/incidents/INC-1"' in part(arrived.mail, "html")
    assert arrived.mail["Auto-Submitted"] == "auto-generated"


async def test_mails_of_one_incident_are_one_thread(tmp_path: Path, server: MailServer) -> None:
    notifier = made(tmp_path, server.port)
    first = await notifier.send(message("INC-1/escalated"))
    second = await notifier.send(message("INC-1/reminder", title="another title", earlier=first))
    last = await notifier.send(message("INC-1/healed", closes=True, earlier=first))
    opening, *others = [one.mail for one in server.arrived]
    for mail in others:
        assert mail["In-Reply-To"] == mail["References"] == opening["Message-ID"] == first.id
        assert mail["Subject"] == f"Re: {opening['Subject']}"
    assert len({opening["Message-ID"], second.id, last.id}) == 3


async def test_the_same_message_again_has_the_same_id(tmp_path: Path, server: MailServer) -> None:
    notifier = made(tmp_path, server.port)
    assert (await notifier.send(message())).id == (await notifier.send(message())).id


async def test_one_address_that_is_refused_keeps_no_mail_from_the_others(tmp_path: Path, server: MailServer) -> None:
    server.refuses = {BOB: "550 no such user"}
    receipt = await made(tmp_path, server.port, to=[ALICE, BOB]).send(message())
    assert server.arrived[0].to == (ALICE,)
    assert receipt.data["refused"] == BOB


@pytest.mark.parametrize(
    ("refuses", "permanent"),
    [
        ({ALICE: "550 no such user"}, True),
        ({ALICE: "451 greylisted, come again"}, False),
        ({"MAIL": "552 over quota"}, True),
        ({"MAIL": "421 too busy"}, False),
        ({".": "554 looks like spam"}, True),
        ({".": "452 disk full"}, False),
        ({"DATA": "hangup"}, False),
        ({"EHLO": "hangup"}, False),
    ],
)
async def test_what_a_server_refuses_for_good_is_told_apart_from_what_passes(
    tmp_path: Path,
    server: MailServer,
    refuses: dict[str, str],
    permanent: bool,  # noqa: FBT001 — a case
) -> None:
    server.refuses = refuses
    error = await refused(made(tmp_path, server.port))
    assert error.permanent is permanent
    assert not server.arrived


async def test_a_trouble_after_the_mail_was_taken_is_none(tmp_path: Path, server: MailServer) -> None:
    server.refuses = {"QUIT": "hangup"}
    await made(tmp_path, server.port).send(message())
    assert len(server.arrived) == 1


@pytest.mark.parametrize(("refuses", "unclear"), [({".": "hangup"}, True), ({"EHLO": "hangup"}, False)])
async def test_a_mail_whose_receipt_got_lost_may_have_been_taken(
    tmp_path: Path, server: MailServer, refuses: dict[str, str], *, unclear: bool
) -> None:
    server.refuses = refuses
    error = await refused(made(tmp_path, server.port))
    assert (error.permanent, error.unclear) == (False, unclear)


async def test_the_way_is_encrypted_before_the_password_is_sent(tmp_path: Path) -> None:
    tls, _ = own_authority(tmp_path, days=2)
    trusted = {"security": "starttls", "ca_file": str(tmp_path / "cert.pem")}
    async with mail_server(MailServer(tls=tls, login="agent:s3cret")) as server:
        known = {"username": "agent", "password_file": secret_file(tmp_path, "s3cret")}
        await made(tmp_path, server.port, **trusted, **known).send(message())
        assert server.arrived[0].encrypted
        wrong = {"username": "agent", "password_file": secret_file(tmp_path, "guess")}
        error = await refused(made(tmp_path, server.port, **trusted, **wrong))
        assert error.permanent
        assert "password_file" in str(error)


async def test_the_way_may_be_encrypted_from_the_first_byte(tmp_path: Path) -> None:
    tls, _ = own_authority(tmp_path, days=2)
    async with mail_server(MailServer(tls=tls), encrypted=True) as server:
        await made(tmp_path, server.port, security="tls", ca_file=str(tmp_path / "cert.pem")).send(message())
        assert len(server.arrived) == 1


async def test_a_server_without_encryption_gets_nothing_when_it_is_wanted(tmp_path: Path, server: MailServer) -> None:
    error = await refused(made(tmp_path, server.port, security="starttls"))
    assert error.permanent
    assert "security" in str(error)


async def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    tls, _ = own_authority(tmp_path, days=2)
    async with mail_server(MailServer(tls=tls)) as server:
        error = await refused(made(tmp_path, server.port, security="starttls"))
        assert "ca_file" in str(error)
        assert not server.arrived


@pytest.mark.parametrize(
    "options",
    [
        {"to": []},
        {"to": ["alice@example.com\r\nBcc: all@example.com"]},
        {"sender": "DevOps <agent@example.com>"},
        {"username": "agent"},
        {"username": "agent", "password_file": "x"},
        {"security": "maybe"},
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        made(tmp_path, 25, **options)


async def test_a_server_that_answers_letter_by_letter_holds_no_thread_once_it_is_given_up(tmp_path: Path) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"2")
        begun.set()
        await reader.read()  # until the other side has gone
        gone.set()
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        sending = asyncio.create_task(made(tmp_path, port, host="127.0.0.1", timeout="300s").send(message()))
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(10):
            await gone.wait()


async def test_what_was_given_up_before_it_began_is_not_sent(tmp_path: Path) -> None:
    loop, begin, asked = asyncio.get_running_loop(), threading.Event(), asyncio.Event()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
    busy = loop.run_in_executor(None, begin.wait)  # the only thread there is

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        sending = asyncio.create_task(made(tmp_path, port, host="127.0.0.1").send(message()))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        begin.set()
        await busy
        await loop.run_in_executor(None, bool)  # after the one that was given up
        assert not asked.is_set()
