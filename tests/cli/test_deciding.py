import getpass
from datetime import UTC, datetime

import pytest

from devops_agent.config.runbooks import load_runbooks, shipped_folder
from devops_agent.model.action import Action, Param, Risk, Step
from devops_agent.model.fact import from_json
from devops_agent.store import approvals, catalogue, controls, events, incidents, runs
from tests.cli.calling import Caller
from tests.config import samples

SCALE = Action(
    name="docker.scale",
    says="Scale.",
    risk=Risk.RISKY,
    params={
        "replicas": Param(kind="whole", says="How many.", required=True),
        "hosts": Param(kind="texts", says="Where."),
        "share": Param(kind="number", says="How much."),
        "gently": Param(kind="yes-no", says="Whether."),
        "grace": Param(kind="duration", says="How long."),
    },
)
ACTIONS = [SCALE, Action(name="docker.restart", says="Restart.", risk=Risk.SAFE)]


@pytest.fixture
def known(site: Caller) -> Caller:
    """A site whose agent has written down what it can do."""
    books = load_runbooks([shipped_folder()], actions=samples.ACTIONS)
    site.rows(lambda rows: catalogue.keep(rows, runbooks=books, actions=ACTIONS))
    return site


def last_event(site: Caller) -> tuple[str, str]:
    found = site.rows(lambda rows: events.latest(rows, limit=1)[0])
    return found.kind, found.actor


def ordered(site: Caller, id_: str) -> Step:
    found = site.rows(lambda rows: incidents.get(rows, id_))
    assert found is not None
    return from_json(found.ordered_json, Step)


def test_what_waits_is_listed_with_its_steps(site: Caller) -> None:
    assert "paths=/var/cache/checkout" in site.says("approvals")
    (one,) = site.document("approvals")
    assert one["id"] == "APR-1"
    assert one["plan"]["steps"][0]["action"] == "host.clean"


@pytest.mark.parametrize(("word", "answer"), [("approve", "approved"), ("deny", "denied")])
def test_an_answer_is_kept_with_who_gave_it_and_wakes_the_response(site: Caller, word: str, answer: str) -> None:
    given = site.document(word, "apr-1", "--comment", "after the backup")
    assert given["answer"] == answer
    assert given["by"] == f"cli:{getpass.getuser()}"
    assert given["comment"] == "after the backup"
    assert last_event(site) == (answer, f"cli:{getpass.getuser()}")
    assert "nothing waits" in site.says("approvals")


def test_an_approval_is_answered_once(site: Caller) -> None:
    site.call("deny", "1")
    assert "it is denied" in site.refuses("approve", "1", code=1)


def test_an_approval_that_there_is_not_is_not_found(site: Caller) -> None:
    assert "devops-agent approvals" in site.refuses("approve", "APR-99", code=3)


def test_an_incident_is_guided_to_a_runbook_that_there_is(known: Caller) -> None:
    assert known.document("guide", "3", "service-down", "--comment", "try")["guided"] == "service-down"
    assert known.rows(lambda rows: runs.next_due(rows, "respond")) is not None
    assert "known: bad-release" in known.refuses("guide", "3", "magic", code=3)
    assert "remediating right now" in known.refuses("guide", "4", "service-down", code=1)
    assert "incidents --all" in known.refuses("guide", "99", "service-down", code=3)


def test_an_incident_is_closed_by_hand_once(site: Caller) -> None:
    assert site.document("resolve", "3", "--comment", "mended the name server")["status"] == "resolved"
    assert "is resolved" in site.refuses("resolve", "3", "--comment", "again", code=1)
    assert "being acted on" in site.refuses("resolve", "4", "--comment", "no", code=1)


def test_a_restart_is_an_incident_with_one_proven_step(known: Caller) -> None:
    made = known.document("restart", "checkout", "--reason", "new certificate")
    step = ordered(known, made["id"])
    assert step.action == "docker.restart"
    assert step.proof.state == "running"
    assert step.proof.healthy
    assert known.rows(lambda rows: runs.next_due(rows, "respond")) is not None


def test_any_action_is_ordered_with_arguments_of_its_types(known: Caller) -> None:
    words = ["replicas=3", "hosts=a, b", "share=0.5", "gently=yes", "grace=30s"]
    made = known.document("order", "checkout", "scale", *words, "--reason", "sale")
    args = {"replicas": 3, "hosts": ("a", "b"), "share": 0.5, "gently": True, "grace": "30s"}
    assert ordered(known, made["id"]).args == args


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["chekout", "scale"], 3, "did you mean 'checkout'?"),
        (["checkout", "explode"], 3, "docker offers: docker.restart, docker.scale"),
        (["checkout", "systemd.restart"], 3, "docker offers"),
        (["db-only-watched", "restart"], 3, "no target"),
        (["checkout", "scale"], 2, "needs replicas=…: How many."),
        (["checkout", "scale", "replicas=many"], 2, "a whole number"),
        (["checkout", "scale", "replicas=1", "gently=perhaps"], 2, "yes or no"),
        (["checkout", "scale", "replicas=1", "grace=soon"], 2, "30s, 5m or 1h"),
        (["checkout", "scale", "number=1"], 2, "replicas (whole: How many.)"),
        (["checkout", "scale", "3"], 2, "write ARG=VALUE"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_the_way_out(
    known: Caller, words: list[str], code: int, says: str
) -> None:
    before = known.rows(lambda rows: len(incidents.page(rows)))
    assert says in known.refuses("order", *words, "--reason", "x", code=code)
    assert known.rows(lambda rows: len(incidents.page(rows))) == before


def test_what_is_only_watched_cannot_be_restarted(fresh: Caller) -> None:
    fresh.rows(lambda _: None)
    assert "no plugin acts on it" in fresh.refuses("restart", "db", "--reason", "x", code=1)


def test_before_the_agent_has_run_orders_are_checked_by_the_configuration(fresh: Caller) -> None:
    fresh.rows(lambda _: None)
    made = fresh.document("restart", "worker", "--reason", "x")
    assert ordered(fresh, made["id"]).action == "process.restart"


def test_everything_or_one_target_is_paused_until_resumed(site: Caller) -> None:
    assert site.document("pause", "--reason", "migration", "--for", "1h")["target"] == ""
    assert site.document("pause", "checkout", "--reason", "debugging")["ends_at"] is None
    assert "db" in {one["target"]["name"] for one in site.document("targets")}
    assert site.document("resume") == {"target": "", "ended": 1}
    assert site.document("resume", "checkout") == {"target": "checkout", "ended": 1}
    assert "is not paused" in site.refuses("resume", "checkout", code=1)


def test_a_pause_names_a_target_that_there_is_and_a_duration(site: Caller) -> None:
    assert "did you mean 'checkout'?" in site.refuses("pause", "checkuot", "--reason", "x", code=3)
    assert "write 30s, 5m, 1h30m" in site.refuses("pause", "--reason", "x", "--for", "soon", code=2)


def test_pausing_works_before_the_agent_has_ever_run(fresh: Caller) -> None:
    fresh.call("pause", "--reason", "not yet")
    assert "not yet" in fresh.says("status", code=4)


def test_a_silence_holds_until_it_is_ended(site: Caller) -> None:
    made = site.document("silence", "alertname=HighLatency", "service=se*", "--for", "2h", "--comment", "reindexing")
    assert made["matchers"] == {"alertname": "HighLatency", "service": "se*"}
    assert made["id"] in {one["id"] for one in site.document("silences")}
    assert "reindexing" in site.says("silences")
    site.call("unsilence", made["id"].removeprefix("SIL-"))
    assert "devops-agent silences" in site.refuses("unsilence", made["id"], code=3)


def test_a_silence_that_says_nothing_is_refused(site: Caller) -> None:
    assert "LABEL=PATTERN" in site.refuses("silence", "HighLatency", "--for", "1h", "--comment", "x", code=2)
    assert "in the future" in site.refuses("silence", "a=b", "--for", "0s", "--comment", "x", code=1)


def test_a_switch_is_shown_and_switched_while_running(site: Caller) -> None:
    assert "by configuration" in site.says("flags")
    found = {one["name"]: one for one in site.document("flags", "AUTO_REMEDIATION_ENABLED", "off")}
    assert found["AUTO_REMEDIATION_ENABLED"] == {"name": "AUTO_REMEDIATION_ENABLED", "value": False, "switched": True}
    assert site.rows(controls.flags) == {"AUTO_REMEDIATION_ENABLED": False}
    assert "by configuration" in site.says("flags", "AUTO_REMEDIATION_ENABLED", "default")
    assert site.rows(controls.flags) == {}
    assert "known: AUTONOMOUS" in site.refuses("flags", "FULL_POWER", "on", code=3)
    assert "on, or off" in site.refuses("flags", "AUTO_REMEDIATION_ENABLED", code=2)


def test_questions_that_need_no_answer_any_more_are_shown_with_all(site: Caller) -> None:
    site.rows(lambda rows: approvals.withdraw(rows, "INC-2", now=datetime.now(UTC)))
    assert "nothing waits" in site.says("approvals")
    assert "withdrawn" in site.says("approvals", "--all")
