"""The story of an incident: four sentences that are right whatever the rows hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.action import Step
from devops_agent.model.alert import Severity
from devops_agent.model.attempt import Attempt, Outcome
from devops_agent.model.decision import Answer, Approval, Decision, Permission
from devops_agent.model.diagnosis import Diagnosis, Hypothesis
from devops_agent.model.incident import Category, Complexity, Incident, Status
from devops_agent.model.runbook import Plan
from devops_agent.model.story import Story, tell

NOW = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
PLAN = Plan(incident="INC-1", runbook="service-down", target="api", steps=(Step(name="s", action="docker.restart"),))

WHY = "The likeliest cause is that api does not run: it exited with code 1 (92% sure, resting on 2 pieces of evidence)."


def incident(status: Status = Status.INVESTIGATING, **parts: object) -> Incident:
    one = Incident(
        id="INC-1", status=status, severity=Severity.CRITICAL, target="api", kind="down", title="api is down",
        opened_at=NOW, changed_at=NOW,
    )  # fmt: skip
    return one.with_(**parts)


def attempt(outcome: Outcome, *, started: bool = True, says: str = "", reason: str = "trusted") -> Attempt:
    decision = Decision(permission=Permission.ALLOW, rule="trust", reason=reason, verdicts=())
    return Attempt(
        id="ATT-1", incident="INC-1", target="api", kind="down", risk="safe", plan=PLAN, decision=decision,
        decided_at=NOW, started_at=NOW if started else None, ended_at=NOW if says else None, outcome=outcome,
        says=says, version="1",
    )  # fmt: skip


def question(answer: Answer = Answer.PENDING, by: str = "") -> Approval:
    return Approval(
        id="APR-4", incident="INC-1", digest=PLAN.digest, summary="service-down on api: docker.restart",
        answer=answer, asked_at=NOW, expires_at=NOW + timedelta(hours=1), by=by,
    )  # fmt: skip


def diagnosis(**parts: object) -> Diagnosis:
    likeliest = Hypothesis(kind="down", says="it exited with code 1", confidence=0.92, evidence=("EV-1", "EV-2"))
    return Diagnosis(
        hypotheses=(likeliest,), category=Category.SERVICE_DOWN, complexity=Complexity.SIMPLE,
        severity=Severity.CRITICAL,
    ).with_(**parts)  # fmt: skip


def story(one: Incident, *attempts: Attempt, found: Diagnosis | None = None, asked: tuple[Approval, ...] = ()) -> Story:
    return tell(one, diagnosis=found, attempts=attempts, questions=asked, now=NOW)


def test_a_healed_incident_is_told_from_beginning_to_end() -> None:
    closed = incident(Status.RESOLVED, resolved_at=NOW + timedelta(seconds=67), reason="healed by service-down")
    told = story(closed, attempt(Outcome.HEALED, says="running and healthy"), found=diagnosis())
    assert told.sentences == (
        "From 3 May, 12:00 UTC, for 1 min 7 s: api is down.",
        WHY,
        "The runbook service-down was carried out and healed it (docker.restart): running and healthy.",
        "It is over; nothing is asked of you.",
    )
    assert told.says == " ".join(told.sentences)


def test_what_waits_for_an_answer_says_which_one_and_until_when() -> None:
    waiting = incident(Status.AWAITING_APPROVAL)
    told = story(waiting, attempt(Outcome.ASKED, started=False, reason="it is risky"), asked=(question(),))
    assert told.done == "Nothing has been done yet: it is risky."
    assert told.asked == (
        "You are asked to approve or deny APR-4 by 13:00 UTC: service-down on api: docker.restart; no answer means no."
    )


def test_a_question_whose_time_is_over_is_asked_of_nobody() -> None:
    late = question().with_(expires_at=NOW)
    assert "APR-4" not in story(incident(), asked=(late,)).asked


def test_what_needs_a_person_says_why_and_where_to_begin() -> None:
    told = story(incident(Status.ESCALATED, reason="the plan failed twice", next_steps=("look at the disk", "reboot")))
    assert told.asked == "It needs you: the plan failed twice. Begin with: look at the disk."
    assert told.why == "No cause was found."


def test_a_refusal_names_who_refused() -> None:
    told = story(
        incident(Status.ESCALATED), attempt(Outcome.DENIED, started=False), asked=(question(Answer.DENIED, "page:ada"),)
    )
    assert told.done == "Nothing was done: the runbook service-down was put before people and denied by page:ada."


def test_an_approved_plan_names_who_approved() -> None:
    told = story(incident(), attempt(Outcome.STARTED), asked=(question(Answer.APPROVED, "page:ada"),))
    assert told.done == "The runbook service-down is being carried out (docker.restart); page:ada had approved it."


def test_monitoring_only_says_what_would_have_been_done() -> None:
    told = story(incident(Status.ESCALATED), attempt(Outcome.WOULD, started=False))
    assert told.done == (
        "Nothing was done, for monitoring only is on; the runbook service-down would have been carried out."
    )


def test_plans_that_came_before_are_counted() -> None:
    told = story(incident(), attempt(Outcome.FAILED, says="no"), attempt(Outcome.STARTED))
    assert told.done.endswith("(docker.restart); 1 plan before it did not help.")


def test_an_order_has_no_cause() -> None:
    told = story(incident(ordered_json="{}", title="docker.restart on api, ordered by cli:ada"))
    assert (told.happened, told.why) == ("On 3 May, 12:00 UTC: docker.restart on api, ordered by cli:ada.", "")


def test_an_effect_names_its_cause() -> None:
    assert story(incident(parent="INC-7")).why == "It is an effect of INC-7, which goes first."


def test_a_target_that_is_well_is_said_to_be() -> None:
    assert story(incident(), found=diagnosis(well=True)).why == (
        "It was looked at and found well: it exited with code 1."
    )


@given(
    status=st.sampled_from(Status), outcome=st.none() | st.sampled_from(Outcome),
    answer=st.none() | st.sampled_from(Answer),
    started=st.booleans(), texts=st.lists(st.text(max_size=400), min_size=5, max_size=5), known=st.booleans(),
)  # fmt: skip
def test_every_state_is_told_in_short_whole_sentences(
    status: Status, outcome: Outcome | None, answer: Answer | None, *, started: bool, texts: list[str], known: bool
) -> None:
    title, reason, step, says, kind = texts
    one = incident(
        status, title=title, reason=reason, next_steps=(step,), kind=kind, target=kind,
        resolved_at=NOW if status is Status.RESOLVED else None,
    )  # fmt: skip
    made = diagnosis(hypotheses=(Hypothesis(kind=kind, says=says, confidence=0.5),)) if known else None
    told = story(
        one,
        *([attempt(outcome, started=started, says=says)] if outcome else []),
        found=made,
        asked=(question(answer),) if answer else (),
    )
    for sentence in told.sentences:
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 1_000
    assert 3 <= len(told.sentences) <= 4
