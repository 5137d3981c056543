import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.model.condition import ConditionError, facts_of, holds, parse_condition, write_condition
from devops_agent.model.evidence import State

FACTS = {
    **facts_of(State(exists=True, running=False, restarts=4, image="shop:1"), {"memory_percent": 91.5}),
    "labels.job": "shop web",
    "labels.shard": "1",
    "labels.version": "1.50",
    "via": "docker",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("state.running == false", True),
        ("state.running", False),
        ("state.exists and readings.memory_percent > 80", True),
        ("state.exists and readings.memory_percent > 95", False),
        ("state.restarts >= 4 and state.restarts<5 and state.restarts != 3", True),
        ("labels.job == 'shop web'", True),
        ('labels.job != "shop web"', False),
        ("via == docker", True),
        ("via != systemd", True),
        ("state.image == shop:1", True),
        ("labels.shard == 1", True),
        ("labels.version == 1.50", True),
    ],
)
def test_comparisons_are_decided_on_what_is_seen(text: str, *, expected: bool) -> None:
    assert holds(parse_condition(text), FACTS) is expected


@pytest.mark.parametrize(
    "text", ["readings.unknown > 1", "readings.unknown != 1", "labels.none != 'x'", "state.healthy == false"]
)
def test_what_is_not_known_is_never_true(text: str) -> None:
    assert not holds(parse_condition(text), FACTS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("state.runing", "a state has no 'runing'; it has: "),
        ("os.system == 1", "nothing is known by 'os.system'; known: state.X, readings.X, labels.X, target, via"),
        ("readings.memory_percent > high", 'compared with a number, such as 80, not with "high"'),
        ("state.running == 1", "compared with true or false, not with 1"),
        ("labels.job == true", "compared with a text"),
        ("state.running > false", "has no order; compare it with == or !="),
        ("state.running or state.exists", "'or' cannot stand here; comparisons are joined by `and`"),
        ("state.running and", "'and' cannot stand here"),
        ("readings.x >", "nothing follows `readings.x >`"),
        ("readings.x > > 3", "cannot follow another operator"),
        ("3 > readings.x", "3 cannot begin a comparison"),
        ("__import__('os')", "cannot be read; write `state.running == false`"),
        ("(state.running)", "'(state.running)' cannot be read"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_way_out(text: str, told: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert told in str(caught.value)


@given(st.text(alphabet="state.runig=!<> 'and0123labels\"x-", max_size=60))
def test_any_text_is_a_condition_or_refused_and_reads_back_the_same(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    assert parse_condition(write_condition(condition)) == condition
