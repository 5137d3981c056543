from devops_agent.store import events
from tests.cli.calling import Caller


def test_events_are_listed_newest_first(site: Caller) -> None:
    numbers = [one["seq"] for one in site.document("audit", "list", "--limit", "5")]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 5
    assert [one["seq"] for one in site.document("audit", "list", "--before", "3")] == [2, 1]
    assert "INC-4" in site.says("audit", "list")


def test_a_whole_record_is_proven_with_its_head(site: Caller) -> None:
    proof = site.document("audit", "verify")
    assert proof["intact"] is True
    assert proof["broken_at"] is None
    assert proof["head"] in site.says("audit", "verify")
    assert site.document("audit", "verify", "--head", proof["head"])["intact"] is True
    assert site.document("audit", "verify", "--head", events.GENESIS)["intact"] is True


def test_what_was_altered_is_found_and_exits_1(site: Caller) -> None:
    site.rows(lambda rows: rows.run("UPDATE events SET says = 'nothing happened' WHERE seq = 3"))
    assert "event 3 is not what was written" in site.refuses("audit", "verify", code=1)
    proof = site.document("audit", "verify", code=1)
    assert (proof["intact"], proof["broken_at"]) == (False, 3)


def test_a_record_that_was_cut_off_lacks_the_head_that_was_noted(site: Caller) -> None:
    head = site.document("audit", "verify")["head"]
    last = site.document("audit", "verify")["events"]
    site.rows(lambda rows: rows.run("DELETE FROM events WHERE seq = :seq", seq=last))
    assert site.document("audit", "verify")["intact"] is True
    assert "cut off or replaced" in site.refuses("audit", "verify", "--head", head, code=1)


def test_events_are_found_by_kind_who_whom_and_what_they_say(site: Caller) -> None:
    def kinds(*words: str) -> list[str]:
        return [one["kind"] for one in site.document("audit", "list", *words)]

    assert set(kinds("--kind", "opened")) == {"opened"}
    assert kinds("--incident", "3", "--actor", "agent") == ["escalated", "investigating"]
    assert kinds("--target", "payments", "--text", "EXITED WITH") == ["opened"]
    assert kinds("--text", "no such words") == []
