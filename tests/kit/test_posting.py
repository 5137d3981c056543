"""What the answers of services mean to those who tell people."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.http import Answer, Http, HttpError, Reason
from devops_agent.kit.posting import fields, post, refusal, retry_after, secret
from devops_agent.kit.testing import tools
from devops_agent.ports import NotifyError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    return Answer(status=status, headers=headers, body=body, seconds=0.0)


@pytest.mark.parametrize(
    ("given_", "wait"),
    [
        ("30", timedelta(seconds=30)),
        ("0", timedelta()),
        ("99999999999999999999", timedelta(days=1)),
        ("Sat, 21 Nov 2026 12:00:45 GMT", timedelta(seconds=45)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", timedelta()),
        ("Sat, 21 Nov 2026 12:00:45", None),
        ("-1", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_service_may_say_when_it_wants_to_be_asked_again(given_: str, wait: timedelta | None) -> None:
    assert retry_after({"retry-after": given_}, now=NOW) == wait


@given(st.text())
def test_any_wish_is_read_or_passed_over(text: str) -> None:
    wait = retry_after({"retry-after": text}, now=NOW)
    assert wait is None or timedelta() <= wait <= timedelta(days=1)


@pytest.mark.parametrize(("status", "passes"), [(408, True), (429, True), (500, True), (400, False), (301, False)])
def test_a_refusal_that_stays_comes_with_the_way_out(status: int, passes: bool) -> None:  # noqa: FBT001 — a case
    error = refusal(answer(status=status), service="it", says="no", way_out="mend it", now=NOW)
    assert error.permanent is not passes
    assert ("mend it" in str(error)) is not passes


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda one: json.dumps(one).encode()))
def test_any_answer_is_an_object_or_none(body: bytes) -> None:
    assert isinstance(fields(answer(body)), dict)


def test_a_secret_that_is_missing_or_empty_is_said_for_good(tmp_path: Path) -> None:
    held = tools(tmp_path, secrets={"a": "", "b": "x"})
    assert secret(held, "b") == "x"
    for path in ("a", "c"):
        with pytest.raises(NotifyError, match=path) as raised:
            secret(held, path)
        assert raised.value.permanent


@pytest.mark.parametrize(
    ("reason", "unclear"),
    [("refused", False), ("dns", False), ("tls", False), ("timeout", True), ("reset", True), ("protocol", True)],
)
async def test_what_got_no_answer_may_have_been_taken_unless_nothing_was_sent(reason: Reason, *, unclear: bool) -> None:
    class Broken(Http):
        async def request(self, *_given: object, **_more: object) -> Answer:
            raise HttpError(reason, "x")

    with pytest.raises(NotifyError) as raised:
        await post(Broken(), "http://it", body=b"", headers={}, timeout=timedelta(seconds=1), service="it")
    assert (raised.value.permanent, raised.value.unclear) == (False, unclear)
