"""Slack's notifier against a service that keeps messages as Slack does."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.testing.notifier import message
from devops_agent.kit.testing.notifier_contract import NotifierContract, Told
from devops_agent.kit.tools import SettingsError
from devops_agent.plugins.slack.notifier import Slack, build
from devops_agent.ports import NotifyError
from tests.plugins.channels import Posted, Says, Service, secret_file, service, tools


class Workspace:
    """Keeps messages by time and thread, or answers with `trouble`."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, str]] = {}
        self.trouble: dict[str, Says] = {}

    def answer(self, posted: Posted) -> Says:
        method = posted.path.removeprefix("/")
        if method in self.trouble:
            return self.trouble[method]
        if posted.headers["Authorization"] != "Bearer xoxb-1":
            return Says(body={"ok": False, "error": "invalid_auth"})
        form = posted.form
        if method == "chat.update":
            if form["ts"] not in self.messages:
                return Says(body={"ok": False, "error": "message_not_found"})
            ts = form["ts"]
            self.messages[ts] |= form
        else:
            ts = f"1700000000.{len(self.messages):06}"
            self.messages[ts] = form
        return Says(body={"ok": True, "channel": "C0123456789", "ts": ts})

    @property
    def top(self) -> list[dict[str, str]]:
        """Messages that are in no thread."""
        return [one for one in self.messages.values() if "thread_ts" not in one]


def made(folder: Path, at: str, **options: object) -> Slack:
    token = secret_file(folder, "xoxb-1", name="token")
    return build({"token_file": token, "channel": "#ops", "url": at, **options}, tools=tools(folder))


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
async def running(workspace: Workspace) -> AsyncIterator[Service]:
    async with service(workspace.answer) as serving:
        yield serving


@pytest.fixture
def notifier(tmp_path: Path, running: Service) -> Slack:
    return made(tmp_path, running.url, signing_secret_file=secret_file(tmp_path, "s1gn"))


class TestContract(NotifierContract):
    @pytest.fixture
    def told(self, workspace: Workspace) -> Told:
        return lambda: len(workspace.top)

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Slack:
        return made(tmp_path, "http://127.0.0.1:9")

    @pytest.fixture
    def refusing(self, tmp_path: Path, running: Service) -> Slack:
        return made(tmp_path, running.url, token_file=secret_file(tmp_path, "xoxb-old"))


async def test_the_first_message_of_an_incident_is_posted(notifier: Slack, running: Service) -> None:
    receipt = await notifier.send(message())
    form = running.posted[0].form
    assert running.posted[0].path == "/chat.postMessage"
    assert form["channel"] == "#ops"
    assert json.loads(form["blocks"])[0]["type"] == "header"
    assert json.loads(form["metadata"])["event_payload"] == {"key": message().key}
    assert receipt.data == {"channel": "C0123456789", "ts": receipt.id}


async def test_later_ones_change_it_and_what_a_person_must_see_is_added_below(
    notifier: Slack, workspace: Workspace
) -> None:
    first = await notifier.send(message("INC-1/1", kind="acted", title="INC-1 api: restarting"))
    last = await notifier.send(message("INC-1/2", title="INC-1 api: needs you", earlier=first))
    [parent] = workspace.top
    assert "needs you" in parent["text"]
    assert [one["thread_ts"] for one in workspace.messages.values() if "thread_ts" in one] == [first.id]
    assert last.data == first.data


@pytest.mark.parametrize("kind", ["acted", "storm", "group", "acknowledged"])
async def test_what_needs_nobody_changes_the_message_and_calls_nobody(
    notifier: Slack, workspace: Workspace, kind: str
) -> None:
    first = await notifier.send(message("INC-1/1"))
    await notifier.send(message("INC-1/2", kind=kind, title="INC-1 api: restarted", earlier=first))
    assert len(workspace.messages) == 1
    assert "restarted" in workspace.top[0]["text"]


@pytest.mark.parametrize(("kind", "shown"), [("reminder", "true"), ("healed", "false")])
async def test_only_what_needs_a_person_is_shown_outside_of_the_thread_too(
    notifier: Slack, workspace: Workspace, kind: str, shown: str
) -> None:
    first = await notifier.send(message("INC-1/1"))
    await notifier.send(message("INC-1/2", kind=kind, closes=kind == "healed", earlier=first))
    [reply] = [one for one in workspace.messages.values() if "thread_ts" in one]
    assert reply["reply_broadcast"] == shown


async def test_what_is_to_be_noticed_is_shown_outside_of_the_thread_whatever_its_kind(
    notifier: Slack, workspace: Workspace
) -> None:
    first = await notifier.send(message("GRP-1/1", kind="storm"))
    await notifier.send(message("GRP-1/2", kind="storm", calls=True, earlier=first))
    [reply] = [one for one in workspace.messages.values() if "thread_ts" in one]
    assert reply["reply_broadcast"] == "true"


async def test_a_message_that_was_deleted_is_posted_anew(notifier: Slack, workspace: Workspace) -> None:
    first = await notifier.send(message("INC-1/1"))
    workspace.messages.clear()
    again = await notifier.send(message("INC-1/2", earlier=first))
    assert len(workspace.top) == 1
    assert again.data["ts"] == again.id


@pytest.mark.parametrize(
    ("says", "permanent", "after", "words"),
    [
        (Says(body={"ok": False, "error": "channel_not_found"}), True, None, "/invite"),
        (Says(body={"ok": False, "error": "is_archived"}), True, None, "channel"),
        (Says(body={"ok": False, "error": "missing_scope", "needed": "chat:write"}), True, None, "chat:write"),
        (Says(body={"ok": False, "error": "internal_error"}), False, None, "internal_error"),
        (Says(body={"ok": False, "error": "ratelimited"}, headers={"Retry-After": "3"}), False, 3, "ratelimited"),
        (Says(status=429, headers={"Retry-After": "12"}), False, 12, "429"),
        (Says(status=429), False, 1, "429"),
        (Says(status=503), False, None, "503"),
        (Says(body="<html>"), False, None, "may have been taken"),
    ],
)
async def test_what_an_answer_means(
    notifier: Slack, workspace: Workspace, says: Says, *, permanent: bool, after: int | None, words: str
) -> None:
    workspace.trouble["chat.postMessage"] = says
    with pytest.raises(NotifyError, match=words) as raised:
        await notifier.send(message())
    wait = timedelta(seconds=after) if after is not None else None
    assert (raised.value.permanent, raised.value.after) == (permanent, wait)


async def test_a_change_that_fails_for_now_is_not_posted_as_another_message(
    notifier: Slack, workspace: Workspace
) -> None:
    first = await notifier.send(message("INC-1/1"))
    workspace.trouble["chat.update"] = Says(status=503)
    with pytest.raises(NotifyError):
        await notifier.send(message("INC-1/2", earlier=first))
    assert len(workspace.messages) == 1


@pytest.mark.parametrize(
    "options",
    [{"channel": "C1; x"}, {"url": "slack.com"}, {"users": {"U1": "alice"}, "signing_secret_file": ""}, {"sound": 1}],
)
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        made(tmp_path, "http://127.0.0.1:9", **options)
