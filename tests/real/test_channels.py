"""Channels against real parts: a mail server, and what Slack and Twilio themselves say of their interfaces."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.app.clock import SystemClock
from devops_agent.app.worker import Worker
from devops_agent.config.settings import Settings
from devops_agent.engine import escalate
from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import HOSTILE
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify
from devops_agent.model.notice import Question
from devops_agent.plugins.email import notifier as email
from devops_agent.plugins.slack import notifier as slack
from devops_agent.plugins.twilio import notifier as twilio
from devops_agent.ports import NotifyError
from devops_agent.store import deliveries, incidents, open_store, outbox
from tests.kit.answering import own_authority
from tests.plugins.channels import Posted, Says, secret_file, service, tools
from tests.real.interfaces import Interface
from tests.real.parts import Missing, Program, answers, find, free_port
from tests.real.running import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devops_agent.store.rows import Rows

pytestmark = [pytest.mark.real, pytest.mark.slow]

MAILDEV = Path(__file__).resolve().parents[2] / "build" / "maildev"
SID = "AC" + "0" * 32
QUESTION = Question(approval="APR-4", digest="d1", summary="restart api", expires_at=message().at + timedelta(hours=1))


@contextmanager
def needed() -> Iterator[None]:
    try:
        yield
    except Missing as missing:
        if os.environ.get("REQUIRE_REAL_PARTS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@dataclass(kw_only=True)
class MailServer:
    """maildev: it takes mail on one port, and shows it on another."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    web: int = 0
    program: Program | None = None

    def start(self) -> None:
        if not (MAILDEV / "installed").exists():
            raise Missing("maildev is not installed; `make real-parts` installs it")
        self.port, self.web = self.port or free_port(), self.web or free_port()
        place = ("--smtp", str(self.port), "--web", str(self.web), "--ip", "127.0.0.1")
        kept = ("--mail-directory", str(self.folder / "mail"))
        script = str(MAILDEV / "node_modules" / "maildev" / "bin" / "maildev")
        argv = [find("node"), script, *place, *kept, *self.options]
        self.program = Program.start("maildev", argv, folder=self.folder)
        self.program.wait_until(answers(f"http://127.0.0.1:{self.web}/email"))

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()
            self.program = None

    @property
    def mails(self) -> list[dict[str, Any]]:
        """What has arrived, in order."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/email", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@pytest.fixture
def maildev(tmp_path: Path) -> Iterator[Callable[..., MailServer]]:
    """`maildev("--option", …)` starts one."""
    started: list[MailServer] = []

    def start(*options: str) -> MailServer:
        server = MailServer(folder=tmp_path, options=options)
        with needed():
            server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def mailing(folder: Path, server: MailServer, **options: object) -> email.Email:
    given = {
        "host": "localhost", "port": server.port, "security": "none", "sender": "agent@example.com",
        "to": ["alice@example.com", "bob@example.com"], **options,
    }  # fmt: skip
    return email.build(given, tools=tools(folder))


async def test_a_mail_arrives_in_both_forms_and_in_its_thread(
    tmp_path: Path, maildev: Callable[..., MailServer]
) -> None:
    server = maildev()
    notifier = mailing(tmp_path, server)
    first = await notifier.send(message(question=QUESTION))
    await notifier.send(message("INC-1/healed", kind="healed", severity=Severity.INFO, closes=True, earlier=first))
    opening, answer = server.mails
    assert opening["subject"] == "[critical] INC-1 api: is down"
    assert "restarting it did not help" in opening["text"]
    assert "APR-4 waits for a yes or no" in opening["html"]
    assert {one["address"] for one in opening["to"]} == {"alice@example.com", "bob@example.com"}
    assert answer["subject"] == f"Re: {opening['subject']}"
    assert answer["headers"]["in-reply-to"] == first.id == opening["headers"]["message-id"]


async def test_hostile_texts_arrive_as_texts(tmp_path: Path, maildev: Callable[..., MailServer]) -> None:
    server = maildev()
    await mailing(tmp_path, server).send(message(title=HOSTILE, says=HOSTILE))
    [mail] = server.mails
    assert "bcc" not in mail["headers"]
    assert "<b>" not in mail["html"]
    assert "&lt;b&gt;" in mail["html"]


async def test_a_server_that_is_down_for_a_while_gets_mails_later_in_order(
    tmp_path: Path, maildev: Callable[..., MailServer]
) -> None:
    server = maildev()
    notifier = mailing(tmp_path, server)
    server.stop()
    with pytest.raises(NotifyError) as raised:
        await notifier.send(message("INC-1/a"))
    assert not raised.value.permanent
    server.start()
    for key in ("INC-1/a", "INC-1/b"):
        await notifier.send(message(key, title=key))
    assert [mail["subject"] for mail in server.mails] == ["[critical] INC-1/a", "[critical] INC-1/b"]


async def test_notices_that_found_the_server_down_arrive_later_once_and_in_order(
    tmp_path: Path, maildev: Callable[..., MailServer]
) -> None:
    server = maildev()
    server.stop()
    options = {
        "host": "localhost", "port": server.port, "security": "none", "sender": "agent@example.com",
        "to": ["alice@example.com"],
    }  # fmt: skip
    channels = (Channel(name="mail", via="email", options=options),)
    settings = Settings(notify=Notify(channels=channels, group_window=timedelta()))
    stop = asyncio.Event()
    async with await open_store(f"sqlite:///{tmp_path}/agent.db") as store:
        worker = Worker(settings, store, clock=SystemClock(), queues=[outbox.QUEUE])
        working = asyncio.create_task(worker.run(stop, idle=None, parent=0))
        for kind in ("escalated", "approval"):
            await store.write(partial(_tell, kind=kind, settings=settings), tell=("events", outbox.QUEUE))

        async def both_were_tried() -> bool | None:
            waiting = await store.read(lambda rows: deliveries.waiting(rows, "mail"))
            return (len(waiting) == 2 and any(one.tries for one in waiting)) or None

        async def both_arrived() -> bool | None:
            return len(server.mails) >= 2 or None

        await until(both_were_tried, "a try")
        server.start()
        await until(both_arrived, "both mails")
        stop.set()
        await working
    assert [mail["text"].split()[0] for mail in server.mails] == ["escalated", "approval"]


def _tell(rows: Rows, *, kind: str, settings: Settings) -> None:
    """Tell something of the one incident there is; its first word is its kind."""
    now = SystemClock().now()
    incident = incidents.get(rows, "INC-1") or incidents.open_(
        rows, target="api", cause_group="g", kind="down", severity=Severity.CRITICAL, title="is down", now=now
    )
    escalate.tell(rows, incident, kind=kind, says=f"{kind} is what it is", settings=settings, now=now)


async def test_a_password_is_asked_for_and_a_wrong_one_refused_for_good(
    tmp_path: Path, maildev: Callable[..., MailServer]
) -> None:
    own_authority(tmp_path, days=2)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    server = maildev(
        "--incoming-secure", "--incoming-cert", cert, "--incoming-key", key,
        "--incoming-user", "agent", "--incoming-pass", "s3cret",
    )  # fmt: skip
    safe = {"security": "tls", "ca_file": cert, "username": "agent"}
    await mailing(tmp_path, server, **safe, password_file=secret_file(tmp_path, "s3cret")).send(message())
    assert len(server.mails) == 1
    with pytest.raises(NotifyError) as raised:
        await mailing(tmp_path, server, **safe, password_file=secret_file(tmp_path, "guess")).send(message())
    assert raised.value.permanent


async def test_what_is_sent_to_slack_is_as_slack_describes_it(tmp_path: Path) -> None:
    with needed():
        interface = Interface.of("slack")
    shown = {"text": "what was sent"}
    taken = {
        "/chat.postMessage": {
            "ok": True, "channel": "C0123456789", "ts": "1503435956.000247",
            "message": {
                **shown, "type": "message", "ts": "1503435956.000247", "user": "U0123ABCD", "bot_id": "B01234567",
                "team": "T01234567",
            },
        },
        "/chat.update": {
            "ok": True, "channel": "C0123456789", "ts": "1503435956.000247", "text": "x", "message": shown,
        },
    }  # fmt: skip
    for path, body in taken.items():
        assert interface.answer_faults(path, "200", body) == []
    async with service(lambda posted: Says(body=taken[posted.path.removeprefix(interface.base)])) as recording:
        options = {
            "token_file": secret_file(tmp_path, "xoxb-1", name="token"),
            "signing_secret_file": secret_file(tmp_path, "s1gn"),
            "channel": "C0123456789",
            "url": f"{recording.url}{interface.base}",
        }
        notifier = slack.build(options, tools=tools(tmp_path))
        first = await notifier.send(message(question=QUESTION))
        await notifier.send(message("INC-1/acted", kind="acted", earlier=first))
        await notifier.send(message("INC-1/healed", kind="healed", closes=True, says=HOSTILE * 200, earlier=first))
    methods = [posted.path.rpartition("/")[2] for posted in recording.posted]
    assert methods == ["chat.postMessage", "chat.update", "chat.update", "chat.postMessage"]
    for posted in recording.posted:
        assert interface.faults(posted) == []
        # `metadata` is younger than the description; Slack's manual has it for both methods.
        assert interface.unknown(posted) <= {"metadata"}


async def test_what_is_sent_to_twilio_is_as_twilio_describes_it(tmp_path: Path) -> None:
    with needed():
        interface = Interface.of("twilio")
    path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    taken = {"sid": "SM" + "1" * 32, "account_sid": SID, "status": "queued", "num_segments": "1"}
    assert interface.answer_faults(path, "201", taken) == []
    senders = ({"sender": "+15550100200"}, {"messaging_service_sid": "MG" + "2" * 32})
    async with service(lambda _: Says(body=taken, status=201)) as recording:
        for sender in senders:
            options = {
                "account_sid": SID,
                "auth_token_file": secret_file(tmp_path, "t0ken"),
                "to": "+15550100300",
                "url": recording.url,
                **sender,
            }
            notifier = twilio.build(options, tools=tools(tmp_path))
            await notifier.send(message(question=QUESTION))
            await notifier.send(message(says=HOSTILE * 100))
    assert len(recording.posted) == 4
    for posted in recording.posted:
        assert interface.faults(posted) == []
        assert interface.unknown(posted) == set()
        assert interface.described["components"]  # it is the vendor's own, cut to what is used
        assert base64.b64decode(posted.headers["Authorization"].removeprefix("Basic ")) == f"{SID}:t0ken".encode()


def test_a_request_that_is_not_as_described_is_seen() -> None:
    with needed():
        interface = Interface.of("twilio")
    path = f"/2010-04-01/Accounts/{SID}/Messages.json"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    def asked(method: str = "POST", at: str = path, body: bytes = b"To=%2B15550100300&Body=x") -> list[str]:
        return interface.faults(Posted(method=method, path=at, query={}, headers=kind, body=body))

    assert asked() == []
    assert asked(method="PUT")
    assert asked(at=path.replace("AC0", "XX0"))
    assert asked(body=b"Body=x")
    assert asked(body=b"To=%2B1&ProvideFeedback=maybe")
