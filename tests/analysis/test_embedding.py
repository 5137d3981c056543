"""Embedding: alike texts have alike vectors, of a model that is never fetched."""

import logging
import math
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis.embedding import Embedder, HashingEmbedder, LocalEmbedder, cosine, rank
from devops_agent.ports import PluginError

TEXTS = ["the database is down", "the database went down at night", "the certificate expires soon"]


@pytest.fixture(params=[HashingEmbedder, LocalEmbedder])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


def test_vectors_have_length_one_and_the_size_that_the_embedder_tells(embedder: Embedder) -> None:
    for vector in embedder.embed(TEXTS):
        assert len(vector) == embedder.dimensions
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)


def test_texts_on_one_matter_are_nearer_than_texts_on_two(embedder: Embedder) -> None:
    query, *others = embedder.embed(TEXTS)
    assert [row for row, _ in rank(query, others)] == [0, 1]
    assert cosine(query, others[0]) > cosine(query, others[1])


def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    assert embedder.embed(TEXTS)[2] == embedder.embed(TEXTS[2:])[0]


def test_no_text_and_a_text_without_words_are_no_trouble(embedder: Embedder) -> None:
    assert embedder.embed([]) == []
    assert set(embedder.embed(["  "])[0]) == {0.0}
    assert cosine(embedder.embed([""])[0], embedder.embed(TEXTS)[0]) == 0


def test_names_differ_so_that_vectors_of_two_models_are_never_mixed_up() -> None:
    assert HashingEmbedder().name != LocalEmbedder().name
    with pytest.raises(ValueError, match="different embedders"):
        rank(HashingEmbedder().embed(["a"])[0], LocalEmbedder().embed(["a"]))


def test_the_local_model_is_read_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert LocalEmbedder().embed(["down"])


def test_the_package_is_not_imported_for_it_would_set_up_the_root_logger() -> None:
    handlers = list(logging.root.handlers)
    LocalEmbedder().embed(["down"])
    assert "wordllama" not in sys.modules
    assert logging.root.handlers == handlers


def test_files_that_are_missing_are_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"cannot embed texts: no file .*; install wordllama") as refused:
        LocalEmbedder(tmp_path).embed(["down"])
    assert not refused.value.retryable


@pytest.mark.slow
def test_without_the_package_the_error_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['wordllama'] = None\n"
        "from devops_agent.analysis.embedding import LocalEmbedder\n"
        "print(LocalEmbedder.installed())\n"
        "LocalEmbedder().embed(['down'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == "False"
    assert "pip install wordllama" in ended.stderr


def test_rows_are_ranked_by_cosine_and_equals_keep_their_order() -> None:
    rows = [[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    assert rank([1.0, 0.0], rows) == [(1, 1.0), (2, 1.0), (0, 0.0), (3, -1.0)]
    assert rank([1.0, 0.0], rows, limit=1) == [(1, 1.0)]
    assert rank([1.0], []) == []


@given(st.lists(st.text(), max_size=4))
def test_any_text_has_a_vector(texts: list[str]) -> None:
    for embedder in (HashingEmbedder(), _LOCAL):
        for vector in embedder.embed(texts):
            assert all(map(math.isfinite, vector))
            assert math.hypot(*vector) < 1.001


def test_halves_of_surrogate_pairs_are_no_trouble(embedder: Embedder) -> None:
    assert embedder.embed(["down \ud800 down"])


_LOCAL = LocalEmbedder()
