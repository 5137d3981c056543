import hypothesis.strategies as st
import pytest
from hypothesis import given

from devops_agent.model.identity import Identity, Protected, forbids

STORE = Protected(
    what="the store",
    why="it is our own",
    is_=Identity(
        names=frozenset({"agent"}),
        ids=frozenset({"abc"}),
        pids=frozenset({7}),
        images=frozenset({"devops-agent"}),
        ports=frozenset({8080}),
        paths=frozenset({"/var/lib/agent"}),
    ),
)


@pytest.mark.parametrize(
    "identity",
    [
        Identity(names=frozenset({"agent", "x"})),
        Identity(ids=frozenset({"abc"})),
        Identity(pids=frozenset({7, 8})),
        Identity(images=frozenset({"devops-agent"})),
        Identity(ports=frozenset({8080})),
        Identity(paths=frozenset({"/var/lib/agent"})),
        Identity(paths=frozenset({"/var/lib/agent/agent.db"})),
        Identity(paths=frozenset({"/var/lib"})),
        Identity(paths=frozenset({"/"})),
        Identity(names=frozenset({"free"}), pids=frozenset({7})),
    ],
)
def test_whatever_shares_one_mark_with_a_protected_thing_is_forbidden(identity: Identity) -> None:
    assert forbids([STORE], identity) is STORE


@pytest.mark.parametrize(
    "identity",
    [
        Identity(),
        Identity(names=frozenset({"Agent", "agent2"})),
        Identity(ids=frozenset({"agent"}), names=frozenset({"abc"})),
        Identity(pids=frozenset({8080}), ports=frozenset({7})),
        Identity(paths=frozenset({"/var/lib/agent2", "/var/lib/agen", "/var/lib/other/agent"})),
    ],
)
def test_whatever_shares_no_mark_is_free(identity: Identity) -> None:
    assert forbids([STORE], identity) is None


def test_the_first_of_several_is_named() -> None:
    other = STORE.with_(what="the other")
    assert forbids([other, STORE], Identity(pids=frozenset({7}))) is other
    assert forbids([], Identity(pids=frozenset({7}))) is None


PARTS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4)


@given(one=PARTS, other=PARTS)
def test_paths_meet_when_one_contains_the_other(one: list[str], other: list[str]) -> None:
    protected = Protected(what="x", why="y", is_=Identity(paths=frozenset({"/" + "/".join(one)})))
    shorter = min(len(one), len(other))
    meet = one[:shorter] == other[:shorter]
    assert (forbids([protected], Identity(paths=frozenset({"/" + "/".join(other)}))) is not None) is meet
