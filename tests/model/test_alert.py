import hypothesis.strategies as st
import pytest
from hypothesis import given

from devops_agent.kit.testing import START
from devops_agent.model.alert import Alert, AlertStatus, Severity, fingerprint, service_name

LABELS = st.dictionaries(st.text(), st.text(), max_size=6)


def alert(**labels: str) -> Alert:
    return Alert(fingerprint="f", status=AlertStatus.FIRING, labels=labels, starts_at=START, source="test")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # Computed by github.com/prometheus/common/model, as Alertmanager shows them.
        ({}, "cbf29ce484222325"),
        ({"name": "garland, briggs", "fear": "love is not enough"}, f"{5799056148416392346:016x}"),
    ],
)
def test_the_fingerprint_is_the_one_that_prometheus_computes(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


@given(labels=LABELS, data=st.data())
def test_the_fingerprint_does_not_depend_on_the_order_of_labels(labels: dict[str, str], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(labels.items()))))
    assert fingerprint(shuffled) == fingerprint(labels)


@given(labels=LABELS, name=st.text(), value=st.text())
def test_another_label_gives_another_fingerprint(labels: dict[str, str], name: str, value: str) -> None:
    other = {**labels, name: value}
    assert (fingerprint(other) == fingerprint(labels)) is (other == labels)


def test_the_border_between_name_and_value_counts() -> None:
    assert fingerprint({"ab": "c"}) != fingerprint({"a": "bc"})


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("PAGE", Severity.CRITICAL),
        ("warning", Severity.WARNING),
        ("info", Severity.INFO),
        ("none", Severity.NONE),
        ("catastrophic", Severity.WARNING),
        ("", Severity.WARNING),
    ],
)
def test_severity_is_understood_in_the_words_of_many(label: str, severity: Severity) -> None:
    assert alert(severity=label).severity is severity


def test_severities_are_ordered() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [
        Severity.NONE,
        Severity.INFO,
        Severity.WARNING,
        Severity.CRITICAL,
    ]


def test_the_summary_is_the_best_sentence_there_is() -> None:
    named = alert(alertname="Down")
    assert named.summary == "Down"
    assert named.with_(annotations={"description": "d"}).summary == "d"
    assert named.with_(annotations={"description": "d", "summary": "s"}).summary == "s"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"job": "j", "service": "s"}, ("s", "service")),
        ({"service": "  ", "pod": "p"}, ("p", "pod")),
        ({"instance": "10.0.0.1:80"}, ("10.0.0.1:80", "instance")),
        ({"team": "t"}, ("", "")),
    ],
)
def test_the_service_is_named_by_the_first_label_that_is_set(labels: dict[str, str], found: tuple[str, str]) -> None:
    assert service_name(labels) == found


def test_the_order_of_labels_can_be_set() -> None:
    assert service_name({"service": "s", "team": "t"}, order=("team", "service")) == ("t", "team")
