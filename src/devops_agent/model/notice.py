"""Notices: what people should be told, and what a channel is handed to tell them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact


class Notice(Fact, kw_only=True):
    """Something people should be told, written in the transaction of the fact that it tells."""

    id: int = 0
    key: str
    """The same key twice is one notice."""
    incident: str
    """Empty: it is about no single incident."""
    kind: str
    """One of `routing.KINDS`: `escalated`, `approval`, `acted`, `healed`, `storm`, `digest`, …"""
    severity: Severity
    message: dict[str, Any]
    """`title`, `says`, `next_steps`, `links`, `facts`, `lines`, `closes`, `calls` as `Message` has them; `tell`: names
    that go before all routes."""
    created_at: datetime
    routed_at: datetime | None = None
    """When it was decided who is told, and how; None: not yet."""


class Question(Fact, kw_only=True):
    """A yes or no that is asked of people along with a message."""

    approval: str
    """`APR-4`."""
    digest: str
    """Of the plan that the answer is for."""
    summary: str
    expires_at: datetime


class Receipt(Fact, kw_only=True):
    """What a channel gave back for a message that it took."""

    id: str = ""
    """What the channel calls the message; empty: it does not say."""
    data: dict[str, str] = {}
    """What else is needed in order to change the message, or to answer it in its thread."""


class Message(Fact, kw_only=True):
    """What a channel is handed: facts, not yet in any channel's form."""

    key: str
    """The same key twice is one message: channels that can tell so take it once."""
    thread: str = ""
    """Messages of one thread, an incident's id, belong together."""
    kind: str
    severity: Severity
    title: str
    says: str
    target: str = ""
    next_steps: tuple[str, ...] = ()
    links: dict[str, str] = {}
    """Name → URL: `incident`, `silence`, `query`, `runbook`, `mute`, `acknowledge`, `approve`."""
    facts: dict[str, str] = {}
    """Short names with values, such as `confidence: 92 %`."""
    lines: tuple[str, ...] = ()
    """What a digest or a storm puts together, a line each."""
    question: Question | None = None
    person: str = ""
    """For whom it is; empty: for whoever reads the channel."""
    at: datetime
    closes: bool = False
    """Whether nothing more will come in this thread: what it told of is over."""
    calls: bool = False
    """Whether people are to notice it also where it changes an earlier message, whatever its kind."""
    earlier: Receipt | None = None
    """Of the thread's first message on this channel, to be changed or answered; None: this is the first."""
    body_text: str = ""
    """The whole text of a report, in Markdown."""
    body_html: str = ""
    """The same as a page of HTML, for channels that can show one."""


class Stage(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    """For its time, or for another try."""
    SENDING = "sending"
    """Handed to the channel, whose answer is not known yet; found so after a crash it may be told twice."""
    SENT = "sent"
    FAILED = "failed"
    """The channel will never take it; that is told elsewhere."""
    DROPPED = "dropped"
    """Kept from people on purpose; `says` tells why."""
    GATHERED = "gathered"
    """Told as a line of a digest."""


class Delivery(Fact, kw_only=True):
    """One notice on its way to one channel."""

    id: int = 0
    notice: int
    channel: str
    person: str = ""
    thread: str = ""
    stage: Stage = Stage.WAITING
    not_before: datetime
    tries: int = 0
    says: str = ""
    """Why it stands where it stands."""
    repeats: int = 0
    """How often it was handed over again with nobody knowing whether the first time had worked."""
    receipt: Receipt | None = None
    created_at: datetime
    ended_at: datetime | None = None
