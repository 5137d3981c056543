"""A storm of very many: what it costs grows with their number, and all of it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_agent.model.contact import Route
from devops_agent.store import gatherings, outbox
from devops_agent.store.pump import Connection
from devops_agent.store.rows import Row, Rows
from tests.engine.taking_in import one_transaction
from tests.workers.mailroom import Mailroom, notify

MANY = 120


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Connection]:
    with one_transaction(tmp_path) as rows:
        yield rows


class Counting:
    """Rows that count what walks over all lines of a message of several."""

    def __init__(self, rows: Connection) -> None:
        self._rows = rows
        self.run, self.many, self.all, self.distance = rows.run, rows.many, rows.all, rows.distance
        self.walks = 0

    def one(self, sql: str, **values: object) -> Row | None:
        self.walks += "count(*) AS every" in sql
        return self._rows.one(sql, **values)


def test_whether_a_storm_is_over_is_not_asked_for_each_of_its_incidents(rows: Connection) -> None:
    counting = Counting(rows)
    room = Mailroom(counting, notify(routes=(Route(tell=("alice", "slack")),)))
    found = [room.open(f"t{number}") for number in range(MANY)]
    for incident in found:
        room.escalate(incident)
    room.turn()
    for incident in found:
        room.heal(incident, told=False)
    room.turn(1)
    assert counting.walks < MANY / 4


def test_the_ends_of_very_many_are_told_though_not_all_at_once(rows: Rows) -> None:
    room = Mailroom(rows, notify(routes=(Route(tell=("alice",)),)))
    found = [room.open(f"t{number}") for number in range(450)]
    for incident in found:
        room.escalate(incident)
    room.pass_time(1)
    for incident in found:
        room.heal(incident, told=False)
    assert len(gatherings.over_untold(rows, limit=100)) == 100
    room.turn(1)
    room.pass_time(1)
    assert gatherings.over_untold(rows) == []
    assert room.got[-1].notice.message["title"] == "over: all 450 incidents"


def test_without_channels_no_old_notice_is_left_for_the_day_on_which_there_are_some(rows: Rows) -> None:
    room = Mailroom(rows, notify(channels=(), people=()))
    for number in range(1_001):
        room.say("", "report", number=number)
    room.turn()
    assert outbox.pending(rows) == 1
    assert room.pass_time(1) == []
    assert outbox.pending(rows) == 0
