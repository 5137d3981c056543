"""The rules that all notifiers obey, as tests to inherit from."""

# ruff: noqa: D102 — a test's name states the rule

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from devops_agent.kit.testing.must import must as _must
from devops_agent.kit.testing.notifier import message
from devops_agent.model.alert import Severity
from devops_agent.model.notice import Question, Receipt
from devops_agent.ports import Notifier, NotifyError

HOSTILE = "<b>\x00\x1b[31m\u202e'; DROP TABLE--\r\nBcc: all@example.com {{7*7}} *_`~|<!channel> @everyone \U0001f525"
"""What a label or a line of a log may hold."""


Told = Callable[[], int]


class NotifierContract:
    """Inherit as `class TestX(NotifierContract)` and give these fixtures, in the class or its module.

    `notifier`: one whose other side takes everything.
    `told`: how many messages people see there by now; one that was changed in place, or repeated, counts once.
    `unreachable`: a notifier whose other side is down for now.
    `refusing`: a notifier whose other side will never take anything (wrong token, unknown recipient); None when there
    is no such thing.
    """

    async def test_what_is_sent_is_seen_and_a_receipt_is_given(self, notifier: Notifier, told: Told) -> None:
        receipt = await notifier.send(message())
        _must(isinstance(receipt, Receipt), f"a receipt is given: {receipt!r}")
        _must(told() == 1, f"one message is seen: {told()}")

    async def test_messages_of_other_threads_are_other_messages(self, notifier: Notifier, told: Told) -> None:
        await notifier.send(message("INC-1/escalated"))
        await notifier.send(message("INC-2/escalated", thread="INC-2"))
        _must(told() == 2, f"two are seen: {told()}")  # noqa: PLR2004 — as many as were sent

    async def test_the_same_key_twice_is_seen_once_where_repeats_are_known(
        self, notifier: Notifier, told: Told
    ) -> None:
        await notifier.send(message())
        await notifier.send(message())
        seen = 1 if notifier.knows_repeats else 2
        _must(told() <= seen, f"{seen} at most are seen: {told()}")

    async def test_a_thread_goes_on_with_the_receipt_of_its_first_message(self, notifier: Notifier, told: Told) -> None:
        first = await notifier.send(message("INC-1/escalated"))
        last = message("INC-1/healed", kind="healed", severity=Severity.INFO, closes=True, earlier=first)
        receipt = await notifier.send(last)
        _must(isinstance(receipt, Receipt), f"a receipt is given: {receipt!r}")

    async def test_hostile_and_very_long_texts_are_sent_like_any_other(self, notifier: Notifier, told: Told) -> None:
        long = HOSTILE * 400
        question = Question(
            approval="APR-1", digest="0" * 64, summary=long, expires_at=message().at + timedelta(hours=1)
        )
        hostile = message(
            title=long, says=long, target=long, next_steps=(long,) * 50, lines=(long,) * 50, facts={HOSTILE: long},
            links={HOSTILE: "javascript:alert(1)", "incident": message().links["incident"]}, question=question,
            body_text=long, body_html=f"<html><body>{long}</body></html>",
        )  # fmt: skip
        await notifier.send(hostile)
        _must(told() == 1, f"it is seen: {told()}")

    async def test_a_message_with_next_to_nothing_in_it_is_sent(self, notifier: Notifier, told: Told) -> None:
        bare = message(thread="", title="t", says="", target="", next_steps=(), links={}, facts={})
        await notifier.send(bare)
        _must(told() == 1, f"it is seen: {told()}")

    async def test_a_channel_that_is_down_may_take_it_later(self, unreachable: Notifier) -> None:
        error = await _refused(unreachable)
        _must(not error.permanent, f"it may work later: {error}")

    async def test_a_refusal_that_stays_is_told_as_one(self, refusing: Notifier | None) -> None:
        if refusing is None:
            return
        error = await _refused(refusing)
        _must(error.permanent, f"it never will: {error}")


async def _refused(notifier: Notifier) -> NotifyError:
    try:
        receipt = await notifier.send(message())
    except NotifyError as error:
        _must(bool(str(error).strip()), "the error says why")
        return error
    raise AssertionError(f"it was taken: {receipt}")
