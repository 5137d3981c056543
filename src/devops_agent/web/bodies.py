"""The bodies of commands: what may be asked, checked by pydantic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from devops_agent.model.account import Role

_LONGEST_TEXT = 2_000
MAX_HOURS = 24 * 365

Name = Annotated[str, Field(min_length=1, max_length=253)]
Said = Annotated[str, Field(max_length=_LONGEST_TEXT)]


class Asked(BaseModel):
    """The base of what may be asked: unknown members are refused, for they are mistakes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RestartAsked(Asked):
    """An order to restart a target."""

    target: Name
    reason: Said = ""


class AnswerAsked(Asked):
    """An answer to an approval."""

    digest: Name
    """The digest of the plan that was looked at; if the plan is another by now, nothing is answered."""
    comment: Said = ""


class GuideAsked(Asked):
    """The runbook to use."""

    runbook: Name
    comment: Said = ""


class ResolveAsked(Asked):
    """Why an incident is closed by hand."""

    comment: Said = ""


class RejectAsked(Asked):
    """Why a draft is rejected."""

    comment: Said = ""


class FeedbackAsked(Asked):
    """A person's word on an incident; at least one of its members has to say something."""

    diagnosis: Literal["right", "wrong"] | None = None
    """Whether what was said to be wrong, was."""
    kind: Annotated[str, Field(max_length=253)] = ""
    """What was really wrong: a fault class, or `well`."""
    component: Annotated[str, Field(max_length=253)] = ""
    """Where the cause really lay."""
    outcome: Literal["helped", "useless", "harmful", "mended"] | None = None
    """What the last plan did; `mended`: a person did it, and it was not over by itself."""
    comment: Said = ""


class PauseAsked(Asked):
    """What to pause, why and for how long."""

    target: Annotated[str, Field(max_length=253)] = ""
    """Empty: everything."""
    reason: Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT)]
    hours: Annotated[float, Field(gt=0, le=MAX_HOURS)] | None = None
    """Null: until somebody resumes."""


class SilenceAsked(Asked):
    """Which alerts to silence, why and for how long."""

    matchers: Annotated[dict[Name, Annotated[str, Field(max_length=_LONGEST_TEXT)]], Field(min_length=1, max_length=20)]
    """Label → pattern with `*`; all have to match."""
    comment: Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT)]
    hours: Annotated[float, Field(gt=0, le=MAX_HOURS)]


class FlagAsked(Asked):
    """On or off."""

    value: bool


class AccountAsked(Asked):
    """An account to be made."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,62}$")]
    role: Role


class AccountChangeAsked(Asked):
    """What is to be another about an account; what is null stays."""

    role: Role | None = None
    disabled: bool | None = None
    comment: Said = ""


class TokenAsked(Asked):
    """A token to be made."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$")]
    scope: Literal["alerts", "read", "operate", "admin"]
    hours: Annotated[float, Field(gt=0, le=10 * MAX_HOURS)] | None = None
    """Null: until it is revoked."""
