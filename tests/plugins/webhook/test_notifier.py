"""The webhook against a recording service."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.model.fact import to_json
from devops_agent.model.notice import Question
from devops_agent.plugins.webhook.notifier import Webhook, build, event
from devops_agent.ports import NotifyError
from tests.plugins.channels import Posted, Says, Service, secret_file, service, tools


class Receiver:
    """Takes notices, or refuses them."""

    def __init__(self) -> None:
        self.says = Says(status=204)

    def answer(self, _: Posted) -> Says:
        return self.says


def made(folder: Path, at: str, **options: object) -> Webhook:
    return build({"url": at, **options}, tools=tools(folder))


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def running(receiver: Receiver) -> AsyncIterator[Service]:
    async with service(receiver.answer) as serving:
        yield serving


class TestContract(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path, running: Service) -> Webhook:
        return made(tmp_path, running.url, secret_file=secret_file(tmp_path, "k3y"))

    @pytest.fixture
    def told(self, running: Service) -> Told:
        return lambda: len(running.posted)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Webhook:
        return made(tmp_path, "http://127.0.0.1:9")

    @pytest.fixture
    def refusing(self, tmp_path: Path, running: Service, receiver: Receiver) -> Webhook:
        receiver.says = Says(body="who are you", status=401)
        return made(tmp_path, running.url)


async def test_the_signature_covers_time_and_body(tmp_path: Path, running: Service) -> None:
    await made(tmp_path, running.url, secret_file=secret_file(tmp_path, "k3y")).send(message())
    posted = running.posted[0]
    at = posted.headers["X-Devops-Agent-Timestamp"]
    expected = hmac.new(b"k3y", at.encode() + b"." + posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Devops-Agent-Signature"] == f"v1={expected}"
    assert posted.headers["Idempotency-Key"] == message().key


async def test_without_a_key_nothing_is_signed(tmp_path: Path, running: Service) -> None:
    await made(tmp_path, running.url).send(message())
    assert "X-Devops-Agent-Signature" not in running.posted[0].headers


async def test_the_body_is_a_cloud_event_with_all_that_is_known(tmp_path: Path, running: Service) -> None:
    question = Question(
        approval="APR-4", digest="d1", summary="restart api", expires_at=message().at + timedelta(hours=1)
    )
    await made(tmp_path, running.url).send(message(question=question))
    said = running.posted[0].json
    assert running.posted[0].headers["Content-Type"] == "application/cloudevents+json"
    assert (said["specversion"], said["id"], said["subject"]) == ("1.0", message().key, "INC-1")
    assert said["type"] == "devops-agent.notice.escalated"
    assert said["data"]["incident"] == "INC-1"
    assert said["data"]["question"]["digest"] == "d1"
    assert said["data"]["next_steps"] == ["look at the log"]


async def test_a_secret_address_and_a_token_come_from_files_and_show_in_no_error(
    tmp_path: Path, running: Service, receiver: Receiver
) -> None:
    receiver.says = Says(status=500)
    address = secret_file(tmp_path, f"{running.url}/T0P-S3CRET", name="address")
    notifier = build({"url_file": address, "token_file": secret_file(tmp_path, "b3arer")}, tools=tools(tmp_path))
    with pytest.raises(NotifyError) as raised:
        await notifier.send(message())
    assert running.posted[0].path == "/T0P-S3CRET"
    assert running.posted[0].headers["Authorization"] == "Bearer b3arer"
    assert "S3CRET" not in str(raised.value)
    down = build({"url_file": secret_file(tmp_path, "http://127.0.0.1:9/T0P-S3CRET")}, tools=tools(tmp_path))
    with pytest.raises(NotifyError, match="refused") as raised:
        await down.send(message())
    assert "S3CRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("says", "permanent", "after"),
    [
        (Says(status=429, headers={"Retry-After": "30"}), False, timedelta(seconds=30)),
        (Says(status=503), False, None),
        (Says(status=503, headers={"Retry-After": "999999999999"}), False, timedelta(days=1)),
        (Says(status=503, headers={"Retry-After": "soon"}), False, None),
        (Says(status=410), True, None),
        (Says(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"}), True, None),
    ],
)
async def test_what_an_answer_means(
    tmp_path: Path,
    running: Service,
    receiver: Receiver,
    says: Says,
    permanent: bool,  # noqa: FBT001 — a case
    after: timedelta | None,
) -> None:
    receiver.says = says
    with pytest.raises(NotifyError) as raised:
        await made(tmp_path, running.url).send(message())
    assert (raised.value.permanent, raised.value.after) == (permanent, after)
    assert len(running.posted) == 1


@pytest.mark.parametrize("options", [{}, {"url": "ftp://x"}, {"url": "http://x", "url_file": "y"}])
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        build(options, tools=tools(tmp_path))


@given(title=st.text(), says=st.text(), facts=st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_becomes_json(title: str, says: str, facts: dict[str, str]) -> None:
    to_json(event(harmless(message(title=title, says=says, facts=facts)))).encode()
