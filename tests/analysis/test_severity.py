"""Severity: generic words first, then the user's own labels; confidence is what comes true."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_agent.analysis.severity import CLUES, KINDS, Labelled, SeverityModel, Wording, leaning, train, wording
from devops_agent.model.alert import Alert, AlertStatus, Severity
from tests.effort import examples

SERVICES = ("Orders", "Billing", "Search", "Mail", "Images", "Login", "Stock", "Prices", "Reports", "Events")


def labelled(name: str, severity: Severity, summary: str = "", group: str = "") -> Labelled:
    return Labelled(wording=Wording(name=name, summary=summary), severity=severity, group=group)


def history() -> list[Labelled]:
    """A house in which a paused worker wakes people, and a failed login is a mere note."""
    return [
        one
        for service in SERVICES
        for one in (
            labelled(f"{service}WorkerPaused", Severity.CRITICAL, f"The worker of {service} is paused", service),
            labelled(f"{service}SlowAnswers", Severity.WARNING, f"{service} answers slowly", service),
            labelled(f"{service}LoginFailed", Severity.INFO, f"A login to {service} failed", service),
            labelled(f"{service}CacheCold", Severity.WARNING, f"The cache of {service} is cold", service),
        )
    ]


@pytest.mark.parametrize(
    ("name", "summary", "severity"),
    [
        ("DatabaseDown", "No instance answers", Severity.CRITICAL),
        ("DiskFull", "", Severity.CRITICAL),
        ("TargetMissing", "Target disappeared", Severity.CRITICAL),
        ("CertificateExpiresSoon", "", Severity.WARNING),
        ("HighLatency", "Requests are slow", Severity.WARNING),
        ("HostRebooted", "Update completed", Severity.INFO),
        ("SomethingOdd", "", Severity.WARNING),
    ],
)
def test_without_a_history_generic_words_decide(name: str, summary: str, severity: Severity) -> None:
    judged = train([]).judge(Wording(name=name, summary=summary))
    assert judged.severity is severity
    assert judged.confidence == max(judged.chances.values())


def test_more_clues_make_surer_but_each_next_one_less() -> None:
    one, two, three = (
        train([]).judge(Wording(name=name)).confidence for name in ("Down", "DownDead", "DownDeadCorrupt")
    )
    assert one < two < three < 0.9
    assert two - one > three - two


def test_the_judgement_names_the_words_that_spoke_for_it() -> None:
    assert "down" in train([]).judge(Wording(name="DatabaseDown")).because
    learned = train(history()).judge(Wording(name="ChatWorkerPaused"))
    assert "paused" in learned.because


def test_how_the_user_labels_alerts_overrules_generic_words() -> None:
    said = Wording(name="ChatLoginFailed", summary="A login to Chat failed")
    assert train([]).judge(said).severity is Severity.CRITICAL
    assert train(history()).judge(said).severity is Severity.INFO


def test_what_was_learned_holds_for_a_service_that_was_never_seen() -> None:
    model = train(history())
    assert model.judge(Wording(name="ChatWorkerPaused", summary="The worker of Chat is paused")).severity is KINDS[0]
    assert model.judge(Wording(name="ChatCacheCold", summary="The cache of Chat is cold")).severity is Severity.WARNING


def test_one_example_does_not_turn_the_prior() -> None:
    model = train([labelled("QueueLong", Severity.INFO)])
    assert model.judge(Wording(name="DatabaseDown")).severity is Severity.CRITICAL


def test_labels_that_follow_no_rule_make_unsure() -> None:
    sure = train(history())
    kinds = (Severity.CRITICAL, Severity.WARNING)
    muddled = train(
        [one.with_(severity=kinds[(at * 7919 // 13) % 2]) for at, one in enumerate(history())],
    )
    said = Wording(name="ChatWorkerPaused", summary="The worker of Chat is paused")
    assert muddled.judge(said).confidence < sure.judge(said).confidence


def test_alerts_that_say_the_alerting_works_teach_nothing() -> None:
    watchdog = labelled("Watchdog", Severity.NONE)
    said = Wording(name="Watchdog")
    assert train([watchdog]).judge(said) == SeverityModel().judge(said)


def test_training_twice_gives_the_same_model() -> None:
    said = Wording(name="ChatSlowAnswers")
    assert train(history()).judge(said) == train(history()).judge(said)


def test_an_alert_is_judged_by_its_name_and_annotations_and_not_by_its_places() -> None:
    alert = Alert(
        fingerprint="1",
        status=AlertStatus.FIRING,
        labels={"alertname": "QueueLong", "instance": "down-critical:80"},
        annotations={"message": "The queue is long", "runbook_url": "https://example/critical"},
        starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="test",
    )
    assert wording(alert) == Wording(name="QueueLong", summary="The queue is long")
    assert train([]).judge(alert) == train([]).judge(wording(alert))


def test_a_clue_leans_to_one_severity_only() -> None:
    every = [word for clues in CLUES.values() for word in clues.split()]
    assert len(every) == len(set(every))
    for at, kind in enumerate(KINDS):
        for word in CLUES[kind].split():
            logits = leaning(Wording(name=word)) - leaning(Wording(name=""))
            assert int(logits.argmax()) == at, word
            assert (logits > 0).sum() == 1, word


@given(name=st.text(), summary=st.text(), description=st.text())
def test_any_words_are_judged_with_chances_that_sum_to_one(name: str, summary: str, description: str) -> None:
    said = Wording(name=name, summary=summary, description=description)
    for model in (_EMPTY, _TAUGHT):
        judged = model.judge(said)
        assert math.isclose(sum(judged.chances.values()), 1, abs_tol=1e-4)
        assert judged.chances[judged.severity.value] == judged.confidence
        assert len(judged.because) <= 5


@settings(max_examples=examples(25))
@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(list(Severity))), max_size=60))
def test_any_history_makes_a_model(told: list[tuple[str, Severity]]) -> None:
    model = train([labelled(name, severity) for name, severity in told])
    assert model.judge(Wording(name="DatabaseDown")).confidence + 1e-6 >= 1 / 3


_EMPTY, _TAUGHT = train([]), train(history())
