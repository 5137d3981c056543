import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.templates import Words, mask, settle


def template(*messages: str, kind: str = "info") -> list[str]:
    """Return the templates of messages, each once, in the order of the messages."""
    masked = [(kind, mask(message)) for message in messages]
    settled = settle(masked)
    return list(dict.fromkeys(" ".join(settled[one]) for one in masked))


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("served 17 of -3.5 at 80%", "served <*> of <*> at <*>"),
        ("order 6953775a-536d-4298-c960-41d0cb4852e9 shipped", "order <*> shipped"),
        ("block 35e2f9784ace1ba8 at 0xdeadbeef", "block <*> at <*>"),
        ("peer 10.0.3.7:5432 and [2001:db8:85a3:0:0:8a2e:370:7334]:80", "peer <*> and [<*>"),
        ("since 2026-03-01T12:00:00.123Z until 2026/03/02 13:00:00", "since <*> until <*> <*>"),
        ("GET /api/v1/users/42/orders/35e2f9784a", "GET /api/v<*>/users/<*>/orders/<*>"),
        ("column \"user id\" of 'orders' and `x y`", "column <*> of <*> and <*>"),
        ("don't say it isn't", "don't say it isn't"),
        ("mail to alice.b+c@example.org, sent", "mail to <*>, sent"),
        ("worker-3 took 812ms", "worker-<*> took <*>"),
        (f"token {'x' * 100}", "token <*>"),
        ("GET /orders HTTP-503", "GET /orders HTTP-503"),
        ("Unpacking libx:amd64 (1.2~dfsg-3+b4) ...", "Unpacking libx:amd<*> (<*>) ..."),
        ("", ""),
    ],
)
def test_values_are_masked_and_words_stay(message: str, masked: str) -> None:
    assert " ".join(mask(message)) == masked


def test_a_word_that_varies_among_messages_that_are_else_alike_is_a_variable() -> None:
    users = ("alice", "bob", "carol", "dave", "erin")

    assert template(*(f"{user} logged in from the office network" for user in users)) == [
        "<*> logged in from the office network"
    ]


def test_two_words_that_vary_are_two_variables() -> None:
    messages = [f"copy of {what} for {who} is done" for what in ("a", "b", "c") for who in ("x", "y", "z")]

    assert template(*messages) == ["copy of <*> for <*> is done"]


def test_a_few_words_in_one_place_are_messages_of_their_own() -> None:
    messages = ["service web started", "service web stopped"]

    assert template(*messages) == messages


def test_a_field_that_varies_keeps_its_key() -> None:
    messages = [f"cannot open store because of state={state} here" for state in ("down", "slow", "full")]

    assert template(*messages) == ["cannot open store because of state=<*> here"]


def test_endpoints_stay_apart() -> None:
    messages = [f"GET /{place} HTTP-200" for place in ("carts", "orders", "users", "items", "prices", "models")]

    assert template(*messages) == messages


def test_kinds_share_no_template() -> None:
    masked = [(f"level {number}", mask("it is so")) for number in range(3)]

    assert set(settle(masked)) == set(masked)


def test_many_different_messages_of_one_beginning_are_joined_by_likeness() -> None:
    words = [chr(97 + one) * 3 for one in range(20)]
    messages = [f"job {words[one]} for {words[-one]} of {words[one % 7]} in the usual queue today" for one in range(20)]

    assert len(template(*messages)) <= 13


def test_only_the_beginning_of_a_very_long_message_counts() -> None:
    assert len(mask("word " * 1_000)) == 41


def test_whatever_is_thrown_at_it_the_templates_of_one_beginning_are_few() -> None:
    messages = [("error", mask(f"begin {chr(97 + one % 26) * 7} {chr(97 + one // 26) * 9}")) for one in range(600)]

    assert len(set(settle(messages).values())) <= 50


MESSAGES = st.lists(st.text(max_size=60) | st.lists(st.sampled_from(["a", "b", "c=d", "/x", "7", "<*>"])).map(" ".join))


@given(MESSAGES)
def test_any_messages_get_templates_of_their_own_length_that_match_them(messages: list[str]) -> None:
    masked = [("", mask(message)) for message in messages]
    settled = settle(masked)

    for one in masked:
        found = settled[one]
        assert len(found) == len(one[1])
        assert all(_matches(*pair) for pair in zip(found, one[1], strict=True))


def _matches(template: str, word: str) -> bool:
    return template in {"<*>", word} or (template.endswith("=<*>") and word.startswith(template[:-3]))


@given(st.text(max_size=300), st.text(alphabet="a1<*>.:-@'\"`/=x ", max_size=300))
def test_any_message_is_masked_without_failing(message: str, near: str) -> None:
    masked: list[Words] = [mask(message), mask(near)]
    assert all(isinstance(word, str) for words in masked for word in words)
