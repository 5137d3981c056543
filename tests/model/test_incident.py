import pytest

from devops_agent.model.incident import MOVES, Status


def reachable(start: Status) -> set[Status]:
    found = {start}
    front = [start]
    while front:
        front = [to for status in front for to in MOVES[status] if to not in found]
        found.update(front)
    return found


def test_the_table_speaks_of_every_status() -> None:
    assert set(MOVES) == set(Status)


@pytest.mark.parametrize("status", Status)
def test_no_status_is_a_dead_end(status: Status) -> None:
    assert reachable(status) == set(Status)


@pytest.mark.parametrize("status", Status)
def test_no_move_stays_where_it_is(status: Status) -> None:
    assert status not in MOVES[status]


def test_nothing_is_resolved_in_the_middle_of_an_action() -> None:
    assert Status.RESOLVED not in MOVES[Status.REMEDIATING]


def test_an_action_begins_only_after_looking_or_asking() -> None:
    before = {status for status, to in MOVES.items() if Status.REMEDIATING in to}
    assert before == {Status.INVESTIGATING, Status.AWAITING_APPROVAL}


def test_what_is_resolved_can_only_be_opened_again() -> None:
    assert MOVES[Status.RESOLVED] == {Status.OPEN}
