from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.action import Argument, Proof, Step
from devops_agent.model.rendering import RenderError, render, unknown_placeholders
from devops_agent.model.runbook import Match, Plan, Runbook
from devops_agent.model.target import Target, Thresholds

SHOP = Target(
    name="shop",
    via="docker",
    ref="shop-web-1",
    thresholds=Thresholds(memory_percent=70.0, cpu_percent=None),
    options={"port": 8000, "paths": ["/a", "/b"], "deep": {"a": 1}},
)


def plan(*steps: Step, target: Target = SHOP, advice: tuple[str, ...] = (), offered: set[str] | None = None) -> Plan:
    runbook = Runbook(name="r", says="s", match=Match(kinds=("down",)), steps=steps, advice=advice, settle=7.0)
    return render(
        runbook,
        incident="INC-1",
        target=target,
        labels={"job": "shop {target}", "empty": ""},
        readings={"disk_percent": 91.5},
        offered=offered,
    )


def filled_in(value: Argument) -> Argument:
    return plan(Step(name="a", action="x.y", args={"arg": value})).steps[0].args["arg"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{target} {ref} {via} {incident}", "shop shop-web-1 docker INC-1"),
        ("{readings.disk_percent}", 91.5),
        ("at {readings.disk_percent} %", "at 91.5 %"),
        ("{options.port}", 8000),
        ("{options.paths}", ("/a", "/b")),
        ("rm {options.paths}", "rm /a, /b"),
        ("{labels.job}", "shop {target}"),
        ("{labels.empty}", ""),
        ("{{target}}", "{target}"),
        ('{"json": {"a": 1}}', '{"json": {"a": 1}}'),
        (("{ref}", "-v"), ("shop-web-1", "-v")),
        (50, 50),
        (True, True),
    ],
)
def test_placeholders_are_filled_in_once_and_keep_their_type(value: Argument, expected: Argument) -> None:
    assert filled_in(value) == expected
    assert type(filled_in(value)) is type(expected)


@given(st.text(max_size=40))
def test_what_is_filled_in_is_data(text: str) -> None:
    runbook = Runbook(
        name="r", says="s", match=Match(), steps=(Step(name="a", action="x.y", args={"arg": "<{labels.x}>"}),)
    )
    rendered = render(runbook, incident="INC-1", target=SHOP, labels={"x": text})
    assert rendered.steps[0].args["arg"] == f"<{text}>"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("{labels.none}", "step 'a', arg: {labels.none} has no value: labels has empty, job"),
        ("x {readings.none}", "step 'a', arg: {readings.none} has no value: readings has disk_percent"),
        ("{options.deep}", "step 'a', arg: {options.deep} has no value: options has deep, paths, port"),
    ],
)
def test_a_missing_value_is_named(value: str, told: str) -> None:
    with pytest.raises(RenderError) as caught:
        filled_in(value)
    assert str(caught.value) == told


def test_the_plugin_that_acts_on_the_target_is_put_into_the_action() -> None:
    step = Step(name="a", action="{via}.restart", timeout=timedelta(seconds=9), retries=2)
    rendered = plan(step, advice=("Look at {ref} and {labels.none}.",))
    assert rendered == Plan(
        incident="INC-1",
        runbook="r",
        target="shop",
        steps=(step.with_(action="docker.restart"),),
        settle=7.0,
        advice=("Look at shop-web-1 and <labels.none>.",),
    )


def test_a_target_on_which_nothing_acts_has_no_plan_that_does() -> None:
    watched = Target(name="db")
    with pytest.raises(RenderError, match="nothing acts on the target 'db'; it is only watched"):
        plan(Step(name="a", action="{via}.restart"), target=watched)
    assert plan(Step(name="a", action="{via}.restart", optional=True), target=watched).steps == ()


def test_an_optional_step_is_left_out_where_it_is_not_offered() -> None:
    stats, restart = Step(name="a", action="{via}.stats", optional=True), Step(name="b", action="{via}.restart")
    assert [step.name for step in plan(stats, restart, offered={"docker.restart"}).steps] == ["b"]
    with pytest.raises(RenderError, match=r"step 'b': there is no action 'docker.restart'"):
        plan(stats, restart, offered={"docker.stats"})


def test_bands_become_the_limits_of_the_target_and_those_that_are_off_ask_for_nothing() -> None:
    proof = Proof(in_band=("memory_percent", "disk_cleanup_percent", "cpu_percent"), below={"queue": 5.0})
    (step,) = plan(Step(name="a", action="x.y", proof=proof)).steps
    assert step.proof == Proof(below={"memory_percent": 70.0, "disk_percent": 75.0, "queue": 5.0})


def test_conditions_on_target_and_labels_are_decided_and_those_on_state_stay() -> None:
    rendered = plan(
        Step(name="a", action="x.y", only_if="via == systemd"),
        Step(name="b", action="x.y", only_if="via == docker and state.oom_killed and target == shop"),
        Step(name="c", action="x.y", only_if="labels.none == 'x'"),
    )
    assert [(step.name, step.only_if) for step in rendered.steps] == [("b", "state.oom_killed == true")]


def test_the_digest_of_a_plan_changes_with_any_argument() -> None:
    one = plan(Step(name="a", action="x.y", args={"n": 1}))
    other = plan(Step(name="a", action="x.y", args={"n": 2}))
    assert one.digest == plan(Step(name="a", action="x.y", args={"n": 1})).digest != other.digest


def test_only_known_names_are_placeholders() -> None:
    assert unknown_placeholders("{target} {labels.x} {{other}} {nothing} {labels} {secrets.x} { x }") == [
        "nothing",
        "labels",
        "secrets.x",
    ]
