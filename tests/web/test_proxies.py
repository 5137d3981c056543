"""Where a request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.web.proxies import Proxies
from tests.web.people import add, sign_in
from tests.web.serving import SETTINGS, running

if TYPE_CHECKING:
    from pathlib import Path


def scope(client: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "http",
        "client": (client, 5000) if client else None,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def seen(proxies: Proxies, client: str, *headers: tuple[str, str]) -> tuple[str, str]:
    found = proxies.unwrap(scope(client, *headers))
    return (found["client"][0] if found["client"] else "", found["scheme"])


FORWARDED = ("x-forwarded-for", "203.0.113.9")
HTTPS = ("x-forwarded-proto", "https")


def test_nobody_is_believed_unless_the_settings_say_so() -> None:
    assert seen(Proxies(()), "127.0.0.1", FORWARDED, HTTPS) == ("127.0.0.1", "http")
    assert seen(Proxies(("10.0.0.0/8",)), "192.0.2.1", FORWARDED, HTTPS) == ("192.0.2.1", "http")


@pytest.mark.parametrize(
    ("given_", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("10.0.0.3", "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours_asked(given_: str, address: str) -> None:
    assert seen(Proxies(("10.0.0.0/8",)), "10.0.0.1", ("x-forwarded-for", given_))[0] == address


def test_several_headers_are_one_list() -> None:
    twice = (("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9"))
    assert seen(Proxies(("10.0.0.1",)), "10.0.0.1", *twice)[0] == "203.0.113.9"


def test_a_proxy_on_the_socket_is_believed_when_named() -> None:
    assert seen(Proxies(("unix",)), "", FORWARDED, HTTPS) == ("203.0.113.9", "https")
    assert seen(Proxies(("10.0.0.1",)), "", FORWARDED, HTTPS) == ("", "http")


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60), st.text(max_size=20).filter(str.isascii))
def test_whatever_is_forwarded_is_survived(forwarded: str, scheme: str) -> None:
    address, said = seen(
        Proxies(("10.0.0.0/8",)), "10.0.0.1", ("x-forwarded-for", forwarded), ("x-forwarded-proto", scheme)
    )
    assert address
    assert said in ("http", "https")


async def test_who_is_behind_a_proxy_is_counted_and_protected_alone(tmp_path: Path) -> None:
    web_settings = SETTINGS.web.with_(trusted_proxies=("127.0.0.1",))
    accounts = SETTINGS.accounts.with_(attempts_per_minute=2)
    async with running(tmp_path, settings=SETTINGS.with_(web=web_settings, accounts=accounts)) as web:
        await add(web, "ada")
        guesses = [(await sign_in(web, f"name{n}", "x", {"X-Forwarded-For": "203.0.113.9"})).status for n in range(3)]
        assert guesses == [401, 401, 429]
        other = await sign_in(web, "ada", "x", {"X-Forwarded-For": "203.0.113.10", "X-Forwarded-Proto": "https"})
        assert other.status == 401
