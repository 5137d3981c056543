"""The rules of routing, by values alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Channel, Notify, Person, Route
from devops_agent.model.routing import (
    KINDS,
    NEEDS,
    Recipient,
    Standing,
    Subject,
    Told,
    addressed,
    common_cause,
    is_quiet,
    matches,
    place,
    recipients,
    switched_off,
    together,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
EVERY = timedelta(minutes=30)
SUBJECT = Subject(
    kind="escalated", severity=Severity.CRITICAL, target="shop-web", labels={"team": ("shop", "web"), "env": ("prod",)}
)
NOTIFY = Notify(
    channels=(Channel(name="room", via="slack"), Channel(name="alice-sms", via="twilio"), Channel(name="p", via="pam")),
    people=(Person(name="alice", channels=("alice-sms", "gone")), Person(name="bob", channels=("room",))),
)


def decide(kind: str, standing: dict[str, Any], *, severity: Severity = Severity.WARNING) -> Told:
    return place(kind, severity, Standing(**standing), now=NOW, remind_every=EVERY)


@pytest.mark.parametrize(
    "route",
    [
        Route(),
        Route(severity=("warning", "critical")),
        Route(targets=("db", "shop-*")),
        Route(kinds=("escalated",)),
        Route(labels={"team": "we*", "env": "prod"}),
        Route(labels={"region": ""}),
        Route(hours="Mon 11:00-13:00"),
    ],
)
def test_a_route_matches_when_each_of_its_conditions_holds(route: Route) -> None:
    assert matches(route, SUBJECT, now=NOW)


@pytest.mark.parametrize(
    "route",
    [
        Route(severity=("warning",)),
        Route(targets=("db",)),
        Route(kinds=("healed",)),
        Route(labels={"team": "shop", "env": "test"}),
        Route(hours="Tue-Sun"),
        Route(targets=("shop-*",), kinds=("healed",)),
    ],
)
def test_a_route_does_not_match_when_one_does_not(route: Route) -> None:
    assert not matches(route, SUBJECT, now=NOW)


def test_the_first_route_decides_unless_it_goes_on() -> None:
    first, second, third = (
        Route(tell=("room",), goes_on=True, digest=True),
        Route(tell=("room", "alice"), policy="ladder"),
        Route(tell=("bob",), policy="other"),
    )
    said = addressed(NOTIFY.with_(routes=(first, second, third)), SUBJECT, now=NOW)
    assert (said.tell, said.digest, said.policy) == (("room", "alice"), ("room",), "ladder")
    assert addressed(NOTIFY.with_(routes=(third, first)), SUBJECT, now=NOW).tell == ("bob",)
    assert addressed(NOTIFY.with_(routes=(Route(kinds=("healed",)),)), SUBJECT, now=NOW).tell == ()


def test_names_lead_to_channels_each_once() -> None:
    names = ("on-call", "room", "alice", "bob", "nobody")
    assert recipients(names, NOTIFY, on_call={"on-call": "alice"}) == (
        Recipient(channel="alice-sms", person="alice"),
        Recipient(channel="room"),
    )


def test_pam_is_off_unless_its_flag_is_on() -> None:
    assert switched_off(NOTIFY.channels[2], pam=False)
    assert not switched_off(NOTIFY.channels[2], pam=True)
    assert not switched_off(NOTIFY.channels[0], pam=False)
    assert switched_off(None, pam=True)


def test_quiet_hours_are_those_of_the_persons_place() -> None:
    person = Person(name="alice", channels=(), quiet="22:00-07:00", time_zone="Asia/Tokyo")
    assert is_quiet(person, NOW + timedelta(hours=2))
    assert not is_quiet(person, NOW)
    assert not is_quiet(None, NOW)


def test_news_of_one_cause_belongs_together_and_many_causes_are_a_storm() -> None:
    assert together({1: "db", 2: "db"}, recent=0, storm=False) == {1: "cause", 2: "cause"}
    assert together({1: "db", 2: "web"}, recent=0, storm=False) == {}
    assert together({1: "db", 2: "web"}, recent=1, storm=False) == {1: "storm", 2: "storm"}
    assert together({1: "db"}, recent=0, storm=True) == {1: "storm"}
    assert together({}, recent=9, storm=True) == {}


def test_the_common_cause_is_the_nearest_that_most_depend_on() -> None:
    depends = {"web": ["api", "db"], "api": ["db"], "mail": ["smtp"]}
    above = lambda name: depends.get(name, [])  # noqa: E731
    assert common_cause(["web", "api"], above) == ("api", 2)
    assert common_cause(["web", "api", "db"], above) == ("db", 3)
    assert common_cause(["web", "mail"], above) == ("", 0)
    assert common_cause(["web"], above) == ("", 0)


@pytest.mark.parametrize(
    ("kind", "standing", "says"),
    [
        ("escalated", {"off": "it is off"}, "it is off"),
        ("escalated", {"over": True}, "over before"),
        ("escalated", {"taken": "alice"}, "alice has it"),
        ("escalated", {"muted": "until noon"}, "muted until noon"),
        ("acted", {"explained_by": "INC-1"}, "an effect of INC-1"),
        ("resolved", {}, "nobody here was told"),
        ("healed", {"known": True}, "its end was told already"),
        ("acted", {"known": True}, "nothing here needs a person"),
        ("acted", {"known": True, "updates": True, "alone": False}, "nothing here needs a person"),
        ("reminder", {"known": True, "quiet": True}, "no reminder: quiet hours"),
    ],
)
def test_what_is_kept_from_people_says_why(kind: str, standing: dict[str, Any], says: str) -> None:
    told = decide(kind, standing)
    assert (told.sent, told.gathers) == (False, "")
    assert says in told.says


@pytest.mark.parametrize(
    ("kind", "standing", "gathers"),
    [
        ("escalated", {"quiet": True}, "digest"),
        ("escalated", {"digest": True}, "digest"),
        ("escalated", {"rings": 20}, "overflow"),
        ("escalated", {"alike": "storm"}, "storm"),
        ("escalated", {"alike": "cause"}, "cause"),
        ("storm", {}, "storm"),
        ("escalated", {"known": True, "gathered": "storm"}, "join"),
        ("healed", {"known": True, "gathered": "digest", "troubled": True}, "join"),
    ],
)
def test_what_is_told_with_others_is_a_line_of_one_message(kind: str, standing: dict[str, Any], gathers: str) -> None:
    told = decide(kind, standing)
    assert (told.sent, told.gathers, told.rings) == (False, gathers, False)


@pytest.mark.parametrize(
    ("kind", "severity", "standing"),
    [
        ("escalated", Severity.WARNING, {}),
        ("escalated", Severity.CRITICAL, {"quiet": True}),
        ("escalated", Severity.CRITICAL, {"rings": 99}),
        ("reminder", Severity.CRITICAL, {"rings": 99, "known": True, "last_ring": NOW - EVERY}),
        ("escalated", Severity.CRITICAL, {"known": True, "gathered": "digest"}),
        ("approval", Severity.WARNING, {"known": True, "gathered": "storm", "alike": "storm"}),
        ("approval", Severity.WARNING, {"alike": "storm"}),
        ("escalated", Severity.WARNING, {"explained_by": "INC-1"}),
        ("healed", Severity.WARNING, {"over": True}),
        ("resolved", Severity.WARNING, {"over": True, "known": True, "troubled": True}),
        ("report", Severity.INFO, {"quiet": True, "rings": 99}),
    ],
)
def test_what_people_need_reaches_them_at_once(kind: str, severity: Severity, standing: dict[str, Any]) -> None:
    told = decide(kind, standing, severity=severity)
    assert (told.sent, told.rings) == (True, True)


def test_above_the_limit_the_critical_passes_once_in_a_while() -> None:
    often = {"rings": 20, "known": True, "last_ring": NOW - EVERY + timedelta(seconds=1)}
    assert decide("reminder", often, severity=Severity.CRITICAL).gathers == "overflow"


def test_a_change_in_place_rings_nobody() -> None:
    told = decide("acted", {"known": True, "updates": True})
    assert (told.sent, told.rings) == (True, False)


STANDINGS = st.builds(
    Standing,
    off=st.sampled_from(["", "off"]),
    muted=st.sampled_from(["", "until noon"]),
    over=st.booleans(),
    updates=st.booleans(),
    known=st.booleans(),
    troubled=st.booleans(),
    alone=st.booleans(),
    gathered=st.sampled_from(["", "cause", "storm", "digest", "overflow"]),
    explained_by=st.sampled_from(["", "INC-1"]),
    quiet=st.booleans(),
    digest=st.booleans(),
    alike=st.sampled_from(["", "cause", "storm"]),
    rings=st.integers(0, 40),
)


@given(st.sampled_from(KINDS), st.sampled_from(list(Severity)), STANDINGS)
def test_every_notice_is_sent_gathered_or_kept_back_for_a_reason(kind: str, severity: Severity, one: Standing) -> None:
    told = place(kind, severity, one, now=NOW, remind_every=EVERY)
    assert told.says
    assert not (told.sent and told.gathers)
    assert told.sent or not told.rings
    if one.off or one.muted:
        assert not told.sent
        assert not told.gathers


@given(st.sampled_from(sorted(NEEDS)), STANDINGS)
def test_what_is_critical_and_needs_a_person_is_never_lost(kind: str, one: Standing) -> None:
    free = one.with_(off="", muted="", over=False)
    told = place(kind, Severity.CRITICAL, free, now=NOW, remind_every=EVERY)
    assert told.sent or told.gathers in ("join", "cause", "storm")
