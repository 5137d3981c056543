"""What is written about telling people: names that lead somewhere, times that are times."""

from datetime import timedelta

from devops_agent.config.people import NOTIFIERS
from devops_agent.model.contact import Channel, Person, Policy, Route, Rung, Schedule
from devops_agent.plugins import catalogue
from tests.config.samples import problems, settings

GOOD = """
notify:
  time_zone: Europe/Berlin
  channels:
    - {name: ops, via: slack, options: {url_file: slack.url}}
    - {name: alice-sms, via: twilio}
  people:
    - {name: alice, channels: alice-sms, quiet: 22:00-07:00, time_zone: Europe/Berlin, per_hour: 5}
  schedules:
    - {name: on-call, people: alice, begins: 2024-01-01 09:00, each: 7d, calendar_file: duty.ics}
  policies:
    - name: ladder
      rungs: [{tell: on-call, wait: 5m}, {tell: [alice, ops]}]
      repeat: 1
  routes:
    - {severity: critical, targets: 'shop-*', policy: ladder, tell: ops}
    - {hours: 'Mon-Fri 08:00-18:00', tell: ops, digest: true, goes_on: true}
reports: {tell: alice, daily: 07:30, weekly: Mon 07:30, monthly: 1 07:30}
"""


def test_people_channels_schedules_policies_and_routes_are_read() -> None:
    notify = settings(GOOD).notify
    assert notify.channels[0] == Channel(name="ops", via="slack", options={"url_file": "/etc/agent/slack.url"})
    assert notify.people == (
        Person(name="alice", channels=("alice-sms",), quiet="22:00-07:00", time_zone="Europe/Berlin", per_hour=5),
    )
    assert notify.schedules == (
        Schedule(name="on-call", people=("alice",), begins="2024-01-01 09:00", calendar_file="/etc/agent/duty.ics"),
    )
    first, second = Rung(tell=("on-call",), wait=timedelta(minutes=5)), Rung(tell=("alice", "ops"))
    assert notify.policies == (Policy(name="ladder", rungs=(first, second), repeat=1),)
    assert notify.routes[0] == Route(severity=("critical",), targets=("shop-*",), policy="ladder", tell=("ops",))


def test_a_name_that_nobody_has_is_told_with_those_that_there_are() -> None:
    assert problems(GOOD.replace("via: slack", "via: slak")) == [
        f"agent.yaml:5: notify.channels[0].via: no notifier 'slak'; did you mean 'slack'? known: {', '.join(NOTIFIERS)}"
    ]
    assert problems(GOOD.replace("policy: ladder", "policy: lader")) == [
        "agent.yaml:16: notify.routes[0].policy: no policy 'lader'; did you mean 'ladder'? known: ladder"
    ]
    told = problems(GOOD.replace("tell: [alice, ops]", "tell: [alise, ops]"))
    says = "no person, schedule or channel 'alise'; did you mean 'alice'? known: alice, alice-sms, on-call, ops"
    assert told == [f"agent.yaml:13: notify.policies[0].rungs[1].tell[0]: {says}"]
    assert problems(GOOD.replace("channels: alice-sms", "channels: bob-sms"))[0].startswith(
        "agent.yaml:8: notify.people[0].channels[0]: no channel 'bob-sms'"
    )
    assert problems(GOOD.replace("people: alice,", "people: bob,"))[0].startswith(
        "agent.yaml:10: notify.schedules[0].people[0]: no person 'bob'"
    )
    assert problems(GOOD.replace("reports: {tell: alice", "reports: {tell: bob"))[0].startswith(
        "agent.yaml:18: reports.tell[0]: no person, schedule or channel 'bob'"
    )


def test_a_name_that_two_have_is_told() -> None:
    told = problems(GOOD.replace("name: on-call", "name: alice").replace("tell: on-call", "tell: alice"))
    place = "agent.yaml:10: notify.schedules[0].name"
    says = "'alice' is the name of notify.people[0] already; people, schedules and channels share their names"
    assert told == [f"{place}: {says}"]


def test_times_hours_and_zones_that_are_none_are_told() -> None:
    told = problems(
        GOOD.replace("22:00-07:00", "22-7")
        .replace("time_zone: Europe/Berlin, per", "time_zone: Berlin, per")
        .replace("Mon-Fri 08:00-18:00", "Mo-Fr 8-18")
        .replace("begins: 2024-01-01 09:00", "begins: tomorrow")
        .replace("daily: 07:30", "daily: Mon 07:30")
        .replace("weekly: Mon 07:30", "weekly: 7:30")
        .replace("monthly: 1 07:30", "monthly: 31 07:30")
    )
    assert told == [
        "agent.yaml:8: notify.people[0].quiet: '22-7' are no hours; write 22:00-07:00, Mon-Fri 08:00-18:00, or Sat,Sun",
        (
            "agent.yaml:8: notify.people[0].time_zone: no time zone 'Berlin'; write an IANA name such as UTC or"
            " Europe/Berlin"
        ),
        "agent.yaml:10: notify.schedules[0].begins: 'tomorrow' is no date with a time; write 2024-01-01 09:00",
        (
            "agent.yaml:17: notify.routes[1].hours: 'Mo-Fr 8-18' are no hours; write 22:00-07:00, Mon-Fri 08:00-18:00,"
            " or Sat,Sun"
        ),
        "agent.yaml:18: reports.daily: 'Mon 07:30' names a day; write a time of day such as 07:30",
        "agent.yaml:18: reports.weekly: '7:30' is no time; write Mon 07:30",
        "agent.yaml:18: reports.monthly: '31 07:30' is no time; write 1 07:30",
    ]


def test_who_cannot_be_reached_is_told() -> None:
    assert problems(GOOD.replace("channels: alice-sms", "channels: []"))[0] == (
        "agent.yaml:8: notify.people[0].channels: alice cannot be reached; name at least one of notify.channels"
    )
    assert problems(GOOD.replace("people: alice,", "people: [],"))[0].startswith(
        "agent.yaml:10: notify.schedules[0].people: nobody is on call"
    )
    assert problems(GOOD.replace("{tell: on-call, wait: 5m}", "{tell: [], wait: 5m}")) == [
        "agent.yaml:13: notify.policies[0].rungs[0].tell: nobody is told; name people, schedules or channels"
    ]


def test_a_kind_or_severity_that_there_is_not_is_told() -> None:
    told = problems(GOOD.replace("severity: critical", "severity: fatal, kinds: healled"))
    assert told[1].startswith("agent.yaml:16: notify.routes[0].kinds: 'healled' is not allowed; allowed: escalated,")
    assert told[0].startswith("agent.yaml:16: notify.routes[0].severity: 'fatal' is not allowed; allowed:")


def test_the_notifiers_that_may_be_named_are_those_that_there_are() -> None:
    assert sorted(NOTIFIERS) == sorted(catalogue.NOTIFIERS)


def test_a_channels_secret_file_starts_at_the_folder_of_the_settings() -> None:
    assert settings(GOOD).notify.channels[0].options == {"url_file": "/etc/agent/slack.url"}
