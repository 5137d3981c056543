"""The page about channels: its examples work."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devops_agent.app.channels import build_notifier
from devops_agent.config.load import load
from devops_agent.kit.testing import tools
from devops_agent.plugins import catalogue
from devops_agent.plugins.pam import protocol
from devops_agent.plugins.webhook.notifier import SIGNATURE, TIMESTAMP, sign

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "channels.md").read_text()


def block(language: str) -> str:
    return PAGE.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_example_has_every_channel_there_is_and_each_can_be_built(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(block("yaml"))
    channels = load(file, environ={}).notify.channels
    assert sorted(channel.via for channel in channels) == sorted(catalogue.NOTIFIERS)
    for channel in channels:
        build_notifier(channel, tools=tools(tmp_path))


def test_the_table_says_of_each_channel_whether_it_changes_its_messages(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(block("yaml"))
    for channel in load(file, environ={}).notify.channels:
        [row] = re.findall(rf"^\| {channel.via} \| (.*?) \|", PAGE, re.MULTILINE)
        assert row.startswith("yes") is build_notifier(channel, tools=tools(tmp_path)).updates


def test_a_receiver_that_does_as_the_page_says_tells_ours_from_others() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 — the page's own example
    body, now = b"{}", str(int(datetime.now(UTC).timestamp()))
    headers = {TIMESTAMP: now, SIGNATURE: sign(body, at=now, key="k3y")}
    assert names["is_ours"](headers, body, "k3y")
    assert not names["is_ours"](headers, b"[]", "k3y")
    assert not names["is_ours"](headers, body, "another")
    old = str(int(time.time()) - 301)
    assert not names["is_ours"]({TIMESTAMP: old, SIGNATURE: sign(body, at=old, key="k3y")}, body, "k3y")


def test_the_table_of_pam_s_protocol_has_every_field_of_a_notification() -> None:
    from devops_agent.kit.testing.notifier import message

    [row] = re.findall(r"^\| agent \| `notification` \| (.*?) \|", PAGE, re.MULTILINE)
    said = re.findall(r'"(\w+)":', protocol.notification(message(links={}, next_steps=())))
    assert set(re.findall(r"`(\w+)`", row)) == set(said) - {"type"}
