"""Who gets reports, and who is told of a target whose error budget goes too fast."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_agent.model.alert import Severity
from devops_agent.model.contact import Route
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Rows
from tests.engine.taking_in import one_transaction
from tests.workers.mailroom import Mailroom, channels, notify, people


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


def room(rows: Rows, *routes: Route) -> Mailroom:
    return Mailroom(rows, notify(channels=channels("slack", "alice-sms"), people=people("alice"), routes=routes))


def test_a_report_goes_to_those_who_asked_for_reports_whatever_the_routes_say(rows: Rows) -> None:
    made = room(rows, Route(tell=("slack",)))
    made.say("", "report", severity=Severity.INFO, tell=["alice"])
    assert [line.partition(":")[0] for line in made.turn()] == ["alice-sms"]


def test_a_burning_budget_is_routed_by_its_target(rows: Rows) -> None:
    made = room(rows, Route(targets=("shop*",), tell=("alice",)), Route(tell=("slack",)))
    for target, channel in (("shop-api", "alice-sms"), ("other", "slack")):
        made.say("", "slo", target=target)
        assert [line.partition(":")[0] for line in made.turn()] == [channel]
