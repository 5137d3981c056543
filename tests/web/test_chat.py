"""Clicks and commands from Slack: only Slack's, only fresh, only for whom may, and only for the plan that was seen."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_
from hypothesis import strategies as st

from devops_agent.config.settings import Settings, Web
from devops_agent.kit.blocks import HOOKS
from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.model.account import Account, Role
from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person
from devops_agent.model.decision import Answer, Approval
from devops_agent.model.notice import Question
from devops_agent.plugins.slack.texts import blocks
from devops_agent.store import accounts, approvals, escalations, events, incidents, mutes
from devops_agent.web.replies import may_be_told
from devops_agent.web.signed import sign
from tests.plugins.channels import Posted, Says, Service, service
from tests.web.serving import Answer as Response
from tests.web.serving import Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from devops_agent.store.rows import Rows

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
OPERATOR, VIEWER, STRANGER, DISABLED, NOBODY = "U1", "U2", "U3", "U4", "U5"
_NAMES = st.sampled_from(["type", "user", "id", "actions", "action_id", "value", "message", "response_url", "x"])
_LISTS = partial(st.lists, max_size=3)
_SHAPES = partial(st.dictionaries, _NAMES, max_size=6)
_TRIGGERS = count()  # Slack numbers what it sends, so no two are alike
USERS = {OPERATOR: "alice", VIEWER: "victor", DISABLED: "dora", NOBODY: "nobody"}


@dataclass(kw_only=True)
class Hooks:
    """Slack's side of answers to clicks."""

    said: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def answer(self, posted: Posted) -> Says:
        self.said.put_nowait(posted.json)
        return Says(body="ok")


@dataclass(kw_only=True)
class Slack:
    """Sends what Slack sends."""

    web: Running
    hooks: Hooks
    place: Service
    approval: Approval

    async def post(
        self, body: str, *, secret: str = SECRET, age: float = 0.0, headers: dict[str, str] | None = None
    ) -> Response:
        at = str(int(self.web.clock.now().timestamp() - age))
        signature = sign(secret, at, body.encode())
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": signature,
            **(headers or {}),
        }
        return await self.web.ask("POST", "/hooks/slack", scope="", data=body, headers=sent)

    def click(self, action: str, user: str = OPERATOR, **value: object) -> str:
        about = {"approval": self.approval.id, "digest": self.approval.digest, "incident": "INC-1", **value}
        question = Question(
            approval=self.approval.id, digest=self.approval.digest, summary="x", expires_at=self.approval.expires_at
        )
        shown = blocks(harmless(message(question=question)), buttons=True)
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "somebody"},
            "actions": [{"type": "button", "action_id": action, "block_id": "x", "value": json.dumps(about)}],
            "response_url": f"{self.place.url}/actions/T1/2/{next(_TRIGGERS)}",
            "message": {"text": "what it was", "blocks": shown},
        }
        return urlencode({"payload": json.dumps(payload)})

    async def clicked(self, action: str, user: str = OPERATOR, **value: object) -> dict[str, Any]:
        """Click, and return what Slack is told of it."""
        assert (await self.post(self.click(action, user, **value))).status == 200
        return await self.hooks.said.get()

    async def command(self, text: str, user: str = OPERATOR) -> dict[str, Any]:
        form = {"command": "/devops-agent", "text": text, "user_id": user, "trigger_id": str(next(_TRIGGERS))}
        answer = await self.post(urlencode(form))
        assert answer.status == 200
        said = answer.json()
        assert said["response_type"] == "ephemeral"
        assert isinstance(said, dict)
        return said

    async def answered(self) -> Approval:
        found = await self.web.store.read(lambda rows: approvals.get(rows, self.approval.id))
        assert found is not None
        return found


@asynccontextmanager
async def slack_of(folder: Path, **options: object) -> AsyncIterator[Slack]:
    hooks = Hooks()
    secret = folder / "signing"
    secret.write_text(SECRET)
    async with service(hooks.answer) as place:
        given = {"signing_secret_file": str(secret), "users": USERS, "hooks_url": place.url, **options}
        people = (Person(name="alice", channels=("ops",)),)
        notify = Notify(channels=(Channel(name="ops", via="slack", options=given),), people=people)
        settings = Settings(notify=notify, web=Web(requests_per_minute=1_000_000))
        async with running(folder, settings=settings) as web:
            yield Slack(web=web, hooks=hooks, place=place, approval=await web.store.write(lambda rows: fill(rows, web)))


def fill(rows: Rows, web: Running) -> Approval:
    now = web.clock.now()
    for name, role in (("alice", Role.OPERATOR), ("victor", Role.VIEWER), ("dora", Role.ADMIN)):
        accounts.add(rows, Account(name=name, role=role, created_at=now))
    accounts.set_disabled(rows, "dora", disabled=True)
    incident = incidents.open_(
        rows, target="checkout", cause_group="g", kind="down", severity=Severity.CRITICAL, title="is down", now=now
    )
    return approvals.ask(
        rows, incident=incident.id, digest="d1g3st", summary="restart checkout", now=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Slack]:
    async with slack_of(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("action", "answer"), [("approve", Answer.APPROVED), ("deny", Answer.DENIED)])
async def test_a_click_answers_and_is_told_in_the_message(slack: Slack, action: str, answer: Answer) -> None:
    told = await slack.clicked(action)
    approval = await slack.answered()
    assert (approval.answer, approval.by) == (answer, "slack:alice")
    assert told["replace_original"] is True
    assert not [block for block in told["blocks"] if block.get("block_id") == "answer"]
    assert f"alice {answer.value} {approval.id}" in told["blocks"][-1]["elements"][0]["text"]


async def test_the_audit_log_says_who_from_where(slack: Slack) -> None:
    await slack.clicked("approve")
    last = (await slack.web.store.read(lambda rows: events.latest(rows, limit=1)))[0]
    assert last.actor == "slack:alice"
    assert f"Slack {OPERATOR}" in str(last.data)


async def test_a_plan_that_was_changed_meanwhile_is_not_approved(slack: Slack) -> None:
    told = await slack.clicked("approve", digest="another")
    assert told["response_type"] == "ephemeral"
    assert "another plan" in told["text"]
    assert (await slack.answered()).answer is Answer.PENDING


async def test_an_answer_counts_once(slack: Slack) -> None:
    await slack.clicked("deny")
    assert "cannot be answered" in (await slack.clicked("approve"))["text"]
    assert (await slack.answered()).answer is Answer.DENIED


async def test_a_question_that_has_expired_is_not_answered(slack: Slack) -> None:
    slack.web.clock.ahead += timedelta(hours=2)
    assert "cannot be answered" in (await slack.clicked("approve"))["text"]


@pytest.mark.parametrize(
    ("user", "says"),
    [(VIEWER, "viewer"), (STRANGER, "do not know who you are"), (DISABLED, "no account"), (NOBODY, "no account")],
)
@pytest.mark.parametrize("action", ["approve", "acknowledge", "mute"])
async def test_who_may_not_is_told_so_alone_and_nothing_is_done(
    slack: Slack, user: str, says: str, action: str
) -> None:
    told = await slack.clicked(action, user)
    assert told["response_type"] == "ephemeral"
    assert says in told["text"]
    assert (await slack.answered()).answer is Answer.PENDING
    assert not await slack.web.store.read(lambda rows: mutes.holding(rows, now=slack.web.clock.now()))
    assert await slack.web.store.read(lambda rows: escalations.latest(rows, "INC-1")) is None


async def test_an_incident_is_acknowledged(slack: Slack) -> None:
    told = await slack.clicked("acknowledge")
    taken = await slack.web.store.read(lambda rows: escalations.latest(rows, "INC-1"))
    assert taken is not None
    assert taken.by == "slack:alice"
    left = {one["action_id"] for block in told["blocks"] if block["type"] == "actions" for one in block["elements"]}
    assert left == {"approve", "deny", "mute", "open-incident"}


async def test_an_incident_is_muted_for_a_while(slack: Slack) -> None:
    await slack.clicked("mute", minutes=60)
    [muted] = await slack.web.store.read(lambda rows: mutes.holding(rows, now=slack.web.clock.now()))
    assert muted.incident == "INC-1"
    assert timedelta(minutes=59) < muted.ends_at - slack.web.clock.now() <= timedelta(minutes=60)


async def test_no_click_mutes_for_longer_than_a_day(slack: Slack) -> None:
    await slack.clicked("mute", minutes=10**9)
    [muted] = await slack.web.store.read(lambda rows: mutes.holding(rows, now=slack.web.clock.now()))
    assert muted.ends_at - slack.web.clock.now() <= timedelta(days=1)


async def test_a_link_that_is_followed_means_nothing(slack: Slack) -> None:
    assert (await slack.post(slack.click("open-incident"))).status == 200
    assert (await slack.answered()).answer is Answer.PENDING


async def test_a_forged_signature_is_refused(slack: Slack) -> None:
    body = slack.click("approve")
    for attempt in (
        slack.post(body, secret="another"),
        slack.post(body, headers={"X-Slack-Signature": "v0="}),
        slack.post(body, headers={"X-Slack-Signature": ""}),
        slack.post(body, headers={"X-Slack-Signature": sign(SECRET, "1", body.encode())}),
        slack.post(body, headers={"X-Slack-Request-Timestamp": ""}),
        slack.post(body, headers={"X-Slack-Request-Timestamp": "-1"}),
        slack.post(body + "&x=1", headers={"X-Slack-Signature": sign(SECRET, "1700000000", body.encode())}),
    ):
        assert (await attempt).status == 401
    assert (await slack.answered()).answer is Answer.PENDING


@pytest.mark.parametrize("age", [301.0, -301.0])
async def test_what_was_signed_long_ago_or_in_the_future_is_refused(slack: Slack, age: float) -> None:
    assert (await slack.post(slack.click("approve"), age=age)).status == 401


async def test_the_same_click_again_is_refused(slack: Slack) -> None:
    body = slack.click("approve")
    at = str(int(slack.web.clock.now().timestamp()))
    signed = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": sign(SECRET, at, body.encode())}
    assert (await slack.post(body, headers=signed)).status == 200
    again = await slack.post(body, headers=signed)
    assert again.status == 401
    assert "before" in again.text


async def test_who_guesses_signatures_is_slowed_down_and_slack_is_not(slack: Slack) -> None:
    statuses = [(await slack.post(slack.click("approve"), secret="guess")).status for _ in range(15)]
    assert statuses[-1] == 429
    await slack.clicked("approve")
    assert (await slack.answered()).answer is Answer.APPROVED


async def test_a_token_of_ours_does_not_stand_in_for_a_signature(slack: Slack) -> None:
    answer = await slack.web.ask("POST", "/hooks/slack", scope="admin", data=slack.click("approve"))
    assert answer.status == 401


async def test_without_a_signing_secret_nothing_is_taken(tmp_path: Path) -> None:
    async with slack_of(tmp_path, signing_secret_file="") as slack:
        assert (await slack.post(slack.click("approve"))).status == 404


async def test_options_that_are_wrong_take_no_clicks(tmp_path: Path) -> None:
    async with slack_of(tmp_path, users=["U1"]) as slack:
        assert (await slack.post(slack.click("approve"))).status == 404


async def test_a_secret_that_cannot_be_read_takes_no_clicks(tmp_path: Path) -> None:
    async with slack_of(tmp_path, signing_secret_file=str(tmp_path / "none")) as slack:
        assert (await slack.post(slack.click("approve"))).status == 401


async def test_answers_go_to_slack_and_nowhere_else(tmp_path: Path) -> None:
    async with slack_of(tmp_path, hooks_url=HOOKS) as slack:
        assert (await slack.post(slack.click("approve"))).status == 200
        assert (await slack.answered()).answer is Answer.APPROVED
        assert not slack.place.posted


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/actions/T1/2/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://hooks.slack.com:8443/x",
        "https://evil.example/https://hooks.slack.com/",
        "https://hooks.slack.com/\\@evil.example",
        "https://hooks.slack.com/x?y#@evil.example",
        "https://hooks.slack.com/",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_other_address_is_slack_s(url: str) -> None:
    assert not may_be_told(url, below=HOOKS)


def test_slack_s_address_is() -> None:
    assert may_be_told("https://hooks.slack.com/actions/T0123/456789/AbCd-e_f", below="https://hooks.slack.com")


@pytest.mark.parametrize("body", ["", "payload=", "payload=[]", "payload=%7B%7D", "x=1", "payload=" + "%5B" * 5_000])
async def test_what_is_neither_click_nor_command_is_refused(slack: Slack, body: str) -> None:
    assert (await slack.post(body)).status == 422


async def test_a_button_of_others_does_nothing(slack: Slack) -> None:
    assert "do not know this button" in (await slack.clicked("delete_everything"))["text"]


async def test_the_command_tells_how_things_stand(slack: Slack) -> None:
    for user in (OPERATOR, VIEWER):
        said = await slack.command("status", user)
        assert "1 incidents are open" in said["text"]
        assert slack.approval.id in said["text"]
        assert "INC-1 checkout: is down" in (await slack.command("incidents", user))["text"]
    assert "do not know who" in (await slack.command("status", STRANGER))["text"]
    assert "I know" in (await slack.command("dance"))["text"]


async def test_the_command_to_approve_shows_the_plan_with_buttons_for_it(slack: Slack) -> None:
    said = await slack.command(f"approve {slack.approval.id}")
    assert "restart checkout" in said["text"]
    value = json.loads(said["blocks"][1]["elements"][0]["value"])
    assert value == {"approval": slack.approval.id, "digest": "d1g3st"}
    assert (await slack.answered()).answer is Answer.PENDING
    assert "viewer" in (await slack.command(f"approve {slack.approval.id}", VIEWER))["text"]
    assert "There is no approval" in (await slack.command("approve APR-99"))["text"]
    await slack.clicked("deny")
    assert "is denied" in (await slack.command(f"approve {slack.approval.id}"))["text"]


@given(below=st.text(), rest=st.text())
def test_any_address_is_judged(below: str, rest: str) -> None:
    assert not may_be_told(f"https://{below}", below=HOOKS) or below.startswith("hooks.slack.com/")
    assert not may_be_told(rest, below=HOOKS) or rest.startswith(HOOKS)


@settings_(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: _LISTS(inner) | _SHAPES(inner))
)
async def test_any_payload_is_answered_or_refused(slack: Slack, payload: object) -> None:
    number = next(_TRIGGERS)
    answer = await slack.post(urlencode({"payload": json.dumps(payload), "number": number}))
    assert answer.status in {200, 422}
    assert (await slack.answered()).answer is Answer.PENDING
