"""What a text message says, and what it may never hold."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from devops_agent.kit.telling import harmless
from devops_agent.kit.testing.notifier import message
from devops_agent.model.notice import Question
from devops_agent.plugins.twilio.texts import MOST, fit, gsm, septets, text

LINK = "https://agent.example.com/incidents/INC-1"


def test_it_says_what_where_what_to_do_and_ends_with_the_link() -> None:
    assert text(message()) == ("CRITICAL INC-1 api: is down\nrestarting it did not help\nDo: look at the log\n" + LINK)


def test_a_question_is_told_by_its_id_with_the_link_that_answers_it() -> None:
    question = Question(
        approval="APR-4", digest="d", summary="restart api", expires_at=message().at + timedelta(hours=1)
    )
    asked = message(question=question, links={"incident": LINK, "approve": "https://a.example.com/approvals/APR-4"})
    assert text(asked).endswith("Approve? APR-4: restart api\nhttps://a.example.com/approvals/APR-4")


def test_what_is_over_does_not_look_like_an_alarm() -> None:
    assert text(message(closes=True)).startswith("OVER INC-1 api")


def test_the_target_is_named_when_the_title_does_not() -> None:
    assert "(checkout)" in text(message(title="INC-1: is down", target="checkout"))


def test_a_long_story_is_cut_and_the_link_kept_whole() -> None:
    told = text(message(says="the disk is full " * 50))
    assert septets(told) <= MOST
    assert told.endswith(LINK)
    assert "..." in told


def test_letters_that_a_phone_s_alphabet_lacks_are_spelled() -> None:
    assert gsm("“ĉafé” – 5 ≥ 3 … 🔥") == '"cafe" - 5 >= 3 ... ?'.replace("cafe", "café")


def test_a_link_that_would_fill_the_message_is_left_out() -> None:
    assert "http" not in text(message(links={"incident": "https://a.example.com/" + "x" * 300}))


def test_what_does_not_fit_at_all_is_nothing() -> None:
    assert fit("abcdefghijk", 3) == ""


@given(title=st.text(), says=st.text(), step=st.text(), lines=st.lists(st.text(), max_size=3))
def test_any_text_fits_into_two_messages_of_the_default_alphabet(
    title: str, says: str, step: str, lines: list[str]
) -> None:
    told = text(harmless(message(title=title, says=says, next_steps=(step,), lines=tuple(lines))))
    assert septets(told) <= MOST
    assert len(told) <= 320
    assert gsm(told) == told
    assert told.endswith(LINK)
