"""Signing in through an identity provider: what it signs is believed, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from devops_agent.model.account import Account, Role
from devops_agent.store import accounts
from tests.web import provider as providers
from tests.web.people import add, page
from tests.web.provider import CLIENT, Provider, providing, settings_for
from tests.web.serving import Answer, Running, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from devops_agent.web.oidc import Provider as Provider_

PEOPLE = {"Accept": "text/html"}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """An identity provider on loopback."""
    async with providing() as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, provider: Provider) -> AsyncIterator[Running]:
    """The page, which lets people in whom the provider vouches for."""
    async with running(tmp_path, settings=settings_for(provider, tmp_path)) as web:
        yield web


async def go(site: Running, next_: str = "/targets") -> tuple[str, dict[str, str]]:
    """Begin; return where the browser is sent, and its headers from then on."""
    answer = await site.get(f"/login/oidc?next={next_}", scope="", headers=PEOPLE)
    assert answer.status == 303, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    return answer.headers["Location"], {"Cookie": cookie.partition(";")[0], **PEOPLE}


async def come_back(site: Running, query: str, browser: Mapping[str, str]) -> Answer:
    return await site.get(f"/login/oidc/back?{query}", scope="", headers=browser)


async def enter(site: Running, provider: Provider) -> Answer:
    """Go there and back again."""
    url, browser = await go(site)
    return await come_back(site, provider.enter(url), browser)


async def account(site: Running, name: str = "grace") -> Account | None:
    return await site.store.read(lambda rows: accounts.get(rows, name))


async def test_who_is_vouched_for_is_let_in_with_the_role_that_the_claims_give(
    site: Running, provider: Provider
) -> None:
    answer = await enter(site, provider)
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0; url=/targets">' in answer.text
    sessions = [one for one in answer.headers.getall("Set-Cookie") if one.startswith("devops_agent_session=")]  # type: ignore[attr-defined]
    assert "SameSite=strict" in sessions[0]
    browser = {"Cookie": sessions[0].partition(";")[0], **PEOPLE}
    assert "signs in through the identity provider" in (await page(site, "/account", browser)).text
    made = await account(site)
    assert made is not None
    assert (made.role, made.subject) == (Role.OPERATOR, f"{provider.url} 7")


async def test_the_role_is_that_of_the_last_sign_in_and_the_highest_of_several(
    site: Running, provider: Provider
) -> None:
    for groups, role in ((["all"], Role.VIEWER), (["all", "boss", "x"], Role.ADMIN), ("ops", Role.OPERATOR)):
        await add(site, f"other-{role}", Role.ADMIN)
        provider.claims["groups"] = groups
        assert (await enter(site, provider)).status == 200
        made = await account(site)
        assert made is not None
        assert made.role is role


async def test_a_role_that_only_userinfo_tells_counts_when_it_is_about_the_same_person(
    site: Running, provider: Provider
) -> None:
    provider.claims["groups"] = None
    provider.userinfo = {"sub": "8", "groups": ["boss"]}
    refused = await enter(site, provider)
    assert (refused.status, "somebody else (sub)" in refused.text) == (403, True)
    provider.userinfo["sub"] = "7"
    assert (await enter(site, provider)).status == 200


async def test_who_has_no_role_is_told_so_and_not_let_in(site: Running, provider: Provider) -> None:
    for groups in [[], ["guests"], "guests", 5, {"ops": 1}, [["ops"]]]:
        provider.claims["groups"] = groups
        answer = await enter(site, provider)
        assert answer.status == 403
        assert "knows you as grace" in answer.text
        assert "accounts.oidc.roles" in answer.text
        assert "devops_agent_session" not in str(answer.headers)
    assert await account(site) is None


HOUR_AGO = int(time.time()) - 3_600


WRONG: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "another-service"},
    {"aud": []},
    {"aud": None},
    {"aud": [CLIENT, "another"], "azp": "another"},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"exp": HOUR_AGO},
    {"exp": None},
    {"exp": "soon"},
    {"iat": int(time.time()) + 86_400},
    {"sub": None},
    {"sub": 7},
]


async def test_a_token_with_a_wrong_claim_lets_nobody_in(site: Running, provider: Provider) -> None:
    right = dict(provider.claims)
    for claims in WRONG:
        provider.claims = {**right, **claims}
        answer = await enter(site, provider)
        assert answer.status == 403, claims
        assert "devops_agent_session" not in str(answer.headers)
    assert await account(site) is None


FORGED: dict[str, Callable[[dict[str, Any]], str]] = {
    "alg none": providers.unsigned,
    "public key as secret": providers.confused,
    "another key": lambda claims: providers.signed(claims, providers.STRANGER),
    "changed": lambda claims: providers.signed(claims)[:-8] + "AAAAAAAA",
    "no token": lambda _: "not.a.token",
    "empty": lambda _: "",
    "no text": lambda _: "é" * 10_000,
}


async def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(site: Running, provider: Provider) -> None:
    for how, sign in FORGED.items():
        provider.sign = sign
        answer = await enter(site, provider)
        assert answer.status == 403, how
        assert "devops_agent_session" not in str(answer.headers), how
    assert await account(site) is None


async def test_elliptic_curves_sign_too(site: Running, provider: Provider) -> None:
    provider.sign = lambda claims: providers.signed(claims, providers.EC, "ES256")
    assert (await enter(site, provider)).status == 200


async def test_new_keys_of_the_provider_are_asked_for_but_not_at_every_forgery(
    site: Running, provider: Provider
) -> None:
    provider.keys = [providers.EC]
    assert (await enter(site, provider)).status == 403
    assert provider.asked.count("/keys") == 1
    site.clock.ahead += site.clock.ahead.__class__(seconds=30)
    provider.keys = [providers.RSA]
    assert (await enter(site, provider)).status == 200
    assert provider.asked.count("/keys") == 2


async def test_a_sign_in_works_once_in_the_browser_that_began_it(site: Running, provider: Provider) -> None:
    url, browser = await go(site)
    query = provider.enter(url)
    _, other = await go(site)
    stolen = await come_back(site, query, other)
    assert (stolen.status, "another browser" in stolen.text) == (403, True)
    url, browser = await go(site)
    query = provider.enter(url)
    assert (await come_back(site, query, browser)).status == 200
    again = await come_back(site, query, browser)
    assert (again.status, "begin again" in again.text) == (403, True)


async def test_a_return_that_was_not_begun_here_is_refused(site: Running) -> None:
    for query in ("", "code=x", "state=x", "code=x&state=x", "code=%00&state=%00", f"state={'x' * 1_999}"):
        assert (await come_back(site, query, PEOPLE)).status == 403


async def test_a_sign_in_that_took_too_long_is_refused(site: Running, provider: Provider) -> None:
    url, browser = await go(site)
    site.clock.ahead += site.clock.ahead.__class__(minutes=11)
    assert (await come_back(site, provider.enter(url), browser)).status == 403


async def test_a_code_of_another_sign_in_is_refused_by_its_verifier(site: Running, provider: Provider) -> None:
    url, _ = await go(site)
    code = provider.enter(url).partition("&")[0]
    url, browser = await go(site)
    state = provider.enter(url).partition("&")[2]
    answer = await come_back(site, f"{code}&{state}", browser)
    assert (answer.status, "refuses the code" in answer.text) == (403, True)


async def test_a_sign_in_leads_to_no_other_site(site: Running, provider: Provider) -> None:
    for there in ("//evil.example", "https://evil.example", "/%5Cevil.example", "/%09/evil.example"):
        url, browser = await go(site, there)
        answer = await come_back(site, provider.enter(url), browser)
        assert 'content="0; url=/"' in answer.text


async def test_nobody_takes_over_an_account_by_choosing_its_name_at_the_provider(
    site: Running, provider: Provider
) -> None:
    await add(site, "grace", Role.ADMIN)
    answer = await enter(site, provider)
    assert (answer.status, "already" in answer.text) == (403, True)


async def test_a_name_that_cannot_be_one_is_refused_and_escaped(site: Running, provider: Provider) -> None:
    provider.claims["preferred_username"] = "<script>alert(1)</script>"
    answer = await enter(site, provider)
    assert answer.status == 403
    assert "<script>alert" not in answer.text


async def test_what_the_provider_refuses_is_told(site: Running) -> None:
    answer = await come_back(site, "error=access_denied<b>&state=x", PEOPLE)
    assert (answer.status, "access_denied&lt;b&gt;" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"issuer": "https://evil.example"}, "calls itself"),
        ({"authorization_endpoint": "http://evil.example/x"}, "https://"),
        ({"token_endpoint": "javascript:alert(1)"}, "https://"),
        ({"jwks_uri": None}, "names no jwks_uri"),
        ({"jwks_uri": "http://["}, "no address"),
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_used(
    site: Running, provider: Provider, document: dict[str, Any], says: str
) -> None:
    provider.document = document
    answer = await site.get("/login/oidc", scope="", headers=PEOPLE)
    if answer.status == 303:  # only the way back needs what is wrong
        answer = await enter(site, provider)
    assert (answer.status, says in answer.text) == (502, True), answer.text


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
async def test_a_provider_out_of_order_is_told_with_another_way_in(
    site: Running, provider: Provider, path: str
) -> None:
    provider.broken = path
    provider.claims["groups"] = None
    answer = await site.get("/login/oidc", scope="", headers=PEOPLE)
    if answer.status == 303:
        answer = await enter(site, provider)
    assert (answer.status, "devops-agent login" in answer.text) == (502, True), answer.text


async def test_a_provider_out_of_reach_is_told(site: Running) -> None:
    oidc = site.settings[-1].accounts.oidc.with_(issuer="http://127.0.0.1:1")
    site.settings.append(site.settings[-1].with_(accounts=site.settings[-1].accounts.with_(oidc=oidc)))
    answer = await site.get("/login/oidc", scope="", headers=PEOPLE)
    assert (answer.status, "cannot ask the identity provider" in answer.text) == (502, True)


async def test_without_a_provider_there_is_no_such_way(web: Running) -> None:
    answer = await web.get("/login/oidc", scope="", headers=PEOPLE)
    assert (answer.status, "accounts.oidc.issuer" in answer.text) == (404, True)


async def test_who_begins_very_often_ends_nobody_elses_sign_in(site: Running, provider: Provider) -> None:
    url, browser = await go(site)
    begun: Provider_ = site.app.state.provider
    for _ in range(1_010):
        await begun.begin(back=f"{site.url}/login/oidc/back", next_="/", place="203.0.113.9")
    assert (await come_back(site, provider.enter(url), browser)).status == 200
