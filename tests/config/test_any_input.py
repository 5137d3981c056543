"""Whatever bytes there are: settings, a runbook, or ConfigError; never another exception."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from devops_agent.config.load import SHORT_NAMES, parse
from devops_agent.config.problems import ConfigError
from devops_agent.config.read import keys_of
from devops_agent.config.runbooks import parse_runbook
from devops_agent.config.settings import Settings
from devops_agent.config.targets import TargetForm
from devops_agent.model.runbook import Runbook
from tests.config.samples import ACTIONS

WORDS = [*keys_of(Settings), *keys_of(TargetForm), *keys_of(Runbook), "guard", "strikes", "name", "action", "args"]
SCALARS = st.sampled_from(["5", "-1", "1e400", "9" * 30, "true", "no", "~", "${A}", "${B:-x}", "{target}", "'", "*a"])
TREES = st.recursive(
    SCALARS | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4).map(
            lambda table: "{" + ", ".join(f"{key}: {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(WORDS), TREES, max_size=5).map(
    lambda table: "".join(f"{key}: {value}\n" for key, value in table.items()).encode("utf-8", "surrogatepass")
)


def read_or_refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except ConfigError as error:
        return bool(error.problems)
    return True


def read_both(content: bytes) -> None:
    base = Path("/etc")
    assert read_or_refused(lambda: parse(content, file="agent.yaml", base=base, environ={"A": "[1"}))
    assert read_or_refused(lambda: parse_runbook(content, file="own.yaml", actions=ACTIONS))


@given(st.binary(max_size=200))
@example(b"\xff\xfea\x00")
@example(b"%YAML 9.9\n---\n")
@example(b"%TAG ! tag:x,1:\n--- !y {}")
@example(b"\xef\xbb\xbfpolling: {}")
@example(b'store: "\\ud800"')
@example(b"state_dir: ~nobody-at-all/x")
@example(b"targets: [{docker: a, url: 'http://[::1'}]")
@example(b"a: &a {b: *a}")
@example(b"&a ? x : y")
@example(b"? ? ? x")
@example(b"polling: {<<: {<<: {well: 1}}}")
@example(b"- - - -")
@example(b"\x85\xe2\x80\xa8:")
def test_any_bytes(content: bytes) -> None:
    read_both(content)


@given(DOCUMENTS)
def test_any_document_of_known_words(content: bytes) -> None:
    read_both(content)


@given(
    st.dictionaries(
        st.sampled_from([*SHORT_NAMES, "DEVOPS_AGENT_GUARD__TRUST", "DEVOPS_AGENT_PLUGINS__A__B__C"])
        | st.text(max_size=20).map(lambda text: f"DEVOPS_AGENT_{text}__X"),
        st.text(max_size=20),
        max_size=4,
    )
)
def test_any_environment(environ: dict[str, str]) -> None:
    assert read_or_refused(lambda: parse(b"guard: 5", file="agent.yaml", base=Path("/etc"), environ=environ))
