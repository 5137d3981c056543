"""People sign in, look after themselves, and administrators after others."""

from __future__ import annotations

import re
from datetime import timedelta

from devops_agent.config.settings import Accounts, Settings, Web
from devops_agent.model.account import Role
from devops_agent.model.event import Event
from devops_agent.store import accounts, events, tokens
from devops_agent.store.rows import Rows
from tests.web.people import PASSWORD, add, browser_of, cookies, page, sign_in, submit
from tests.web.serving import TARGETS, Running


async def last(web: Running, count: int = 1) -> list[Event]:
    return await web.store.read(lambda rows: events.latest(rows, limit=count))


async def test_who_knows_the_password_is_let_in_under_their_own_name(web: Running) -> None:
    await add(web, "ada", password=True)
    answer = await sign_in(web, "Ada", PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    shown = await page(web, "/account", cookies(answer))
    assert "<h1>ada</h1>" in shown.text
    told = (await last(web))[0]
    assert (told.says, told.actor) == ("ada signed in with a password", "page:ada")
    assert told.data["from_address"] == "127.0.0.1"
    account = await web.store.read(lambda rows: accounts.get(rows, "ada"))
    assert account is not None
    assert account.seen_at is not None


async def test_unknown_disabled_and_wrong_are_answered_alike(web: Running) -> None:
    await add(web, "ada", password=True)
    await add(web, "linked")
    await add(web, "gone", password=True)
    await web.store.write(lambda rows: accounts.set_disabled(rows, "gone", disabled=True))
    tries = [("ada", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("linked", ""), ("a\nb", PASSWORD)]
    answers = [await sign_in(web, name, password) for name, password in tries]
    assert {answer.status for answer in answers} == {401}
    shown = {re.sub(r'(name="name") value="[^"]*"', r"\1", answer.text) for answer in answers}
    assert len(shown) == 1
    assert "Name or password is wrong." in shown.pop()
    assert all("Set-Cookie" not in answer.headers for answer in answers)


async def test_who_came_by_a_link_is_told_to_set_a_password_until_there_is_one(web: Running) -> None:
    await add(web, "linked")
    assert "You have no password yet" in (await page(web, "/", await browser_of(web, "linked"))).text
    await add(web, "ada", password=True)
    assert "You have no password yet" not in (await page(web, "/", await browser_of(web, "ada"))).text
    token = await web.get("/", scope="", headers=await web.log_in("operate"))
    assert "You have no password yet" not in token.text


async def test_a_session_lasts_as_long_as_the_settings_say(web: Running) -> None:
    web.settings.append(web.settings[-1].with_(accounts=Accounts(session=timedelta(minutes=5))))
    await add(web, "ada")
    browser = await browser_of(web, "ada")
    assert (await page(web, "/", browser)).status == 200
    web.clock.ahead += timedelta(minutes=6)
    assert (await page(web, "/", browser)).headers["Location"] == "/login?next=/"


async def test_over_https_the_cookie_is_one_that_no_neighbour_can_set(web: Running) -> None:
    web.settings.append(web.settings[-1].with_(web=Web(public_url="https://ops.example")))
    await add(web, "ada")
    secret = (await browser_of(web, "ada"))["Cookie"]
    assert secret.startswith("__Host-devops_agent_session=")
    browser = {"Cookie": secret, "Accept": "text/html"}
    assert (await page(web, "/account", browser)).status == 200
    plain = {"Cookie": secret.removeprefix("__Host-"), "Accept": "text/html"}
    assert (await page(web, "/account", plain)).status == 303, "the unprotected name counts no more"


async def test_a_new_password_ends_the_other_sessions_and_no_tokens(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.OPERATOR)
    other = await browser_of(web, "ada")
    made = await submit(web, "/account/tokens", browser, name="laptop", scope="operate", days="30")
    answer = await submit(web, "/account/password", browser, new=PASSWORD, again=PASSWORD)
    assert answer.status == 303, answer.text
    assert (await page(web, "/account", browser)).status == 200
    assert (await page(web, "/account", other)).status == 303
    secret = re.search(r"<code>(da_[\w-]+)</code>", made.text)
    assert secret
    assert (await web.get("/api/v1/me", scope=secret.group(1))).json() == {
        "name": "ada/laptop",
        "scope": "operate",
        "account": "ada",
        "role": "operator",
    }
    assert (await sign_in(web, "ada", PASSWORD)).status == 303


async def test_who_signed_in_by_password_has_to_know_it_to_change_it(web: Running) -> None:
    await add(web, "ada", password=True)
    browser = cookies(await sign_in(web, "ada", PASSWORD))
    new = "another long password"
    assert (await submit(web, "/account/password", browser, new=new, again=new)).status == 403
    answer = await submit(web, "/account/password", browser, current="wrong", new=new, again=new)
    assert (answer.status, "current password is wrong" in answer.text) == (403, True)
    assert (await submit(web, "/account/password", browser, current=PASSWORD, new=new, again=new)).status == 303


async def test_a_weak_password_is_refused_with_what_is_asked(web: Running) -> None:
    browser = await browser_of(web, "adaLovelace", Role.VIEWER)
    weak = {"short": "12 to 256", "a" * 257: "12 to 256", "aaaaaaaaaaaaaa": "too few", "adaLovelace1": "the name"}
    for new, says in weak.items():
        answer = await submit(web, "/account/password", browser, new=new, again=new)
        assert (answer.status, says in answer.text) == (422, True)
    answer = await submit(web, "/account/password", browser, new=PASSWORD, again="")
    assert "differ" in answer.text


async def test_signing_in_again_ends_the_session_that_the_browser_had(web: Running) -> None:
    await add(web, "ada", password=True)
    before = await browser_of(web, "ada")
    after = cookies(await sign_in(web, "ada", PASSWORD, before))
    assert after["Cookie"] != before["Cookie"]
    assert (await page(web, "/account", before)).status == 303
    assert (await page(web, "/account", after)).status == 200


async def test_signing_out_everywhere_ends_every_session_of_that_account(web: Running) -> None:
    here, there = await browser_of(web, "ada", Role.OPERATOR), await browser_of(web, "ada")
    other = await browser_of(web, "bob", Role.OPERATOR)
    answer = await submit(web, "/logout", here, everywhere="1")
    assert answer.headers["Location"] == "/login"
    assert 'devops_agent_session=""' in answer.headers["Set-Cookie"]
    assert [(await page(web, "/account", one)).status for one in (here, there, other)] == [303, 303, 200]


async def test_people_end_their_own_sessions_and_tokens_and_nobody_elses(web: Running) -> None:
    ada, eve = await browser_of(web, "ada", Role.OPERATOR), await browser_of(web, "eve", Role.ADMIN)
    await submit(web, "/account/tokens", ada, name="ci", scope="read", days="1")

    def ids(rows: Rows) -> list[str]:
        return [one.id for one in tokens.of_account(rows, "ada", now=web.clock.now())]

    mine = await web.store.read(ids)
    assert len(mine) == 2
    for one in mine:
        assert (await submit(web, "/account/tokens/end", eve, id=one)).status == 404
        assert (await submit(web, "/account/sessions/end", eve, id=one)).status == 404
    assert await web.store.read(ids) == mine
    key = re.search(r'name="form_key" value="(\w+)"', (await page(web, "/account", ada)).text)
    assert key
    for one in mine:  # the token, then the very session
        await submit(web, "/account/tokens/end", ada, id=one, form_key=key.group(1))
    assert await web.store.read(ids) == []


async def test_a_token_of_ones_own_is_shown_once(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.VIEWER)
    made = await submit(web, "/account/tokens", browser, name="laptop", scope="read", days="30")
    secret = re.search(r"<code>(da_[\w-]+)</code>", made.text)
    assert secret
    assert made.headers["Cache-Control"] == "no-store"
    assert secret.group(1) not in (await page(web, "/account", browser)).text
    again = await submit(web, "/account/tokens", browser, name="laptop", scope="read", days="30")
    assert again.status == 409


async def test_a_token_has_one_of_the_offered_scopes_and_spans(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.ADMIN)
    for scope, days in (("root", "30"), ("read", "99999"), ("read", "-1")):
        assert (await submit(web, "/account/tokens", browser, name="x", scope=scope, days=days)).status == 422


async def test_a_session_of_a_token_has_no_account_to_look_after(web: Running) -> None:
    browser = await web.log_in("admin")
    assert "without an account" in (await page(web, "/account", browser)).text
    assert (await submit(web, "/account/password", browser, new=PASSWORD, again=PASSWORD)).status == 409
    assert (await submit(web, "/logout", browser, everywhere="1")).status == 303


async def test_an_administrator_manages_accounts_on_the_page(web: Running) -> None:
    admin = await browser_of(web, "ada", Role.ADMIN)
    made = await submit(web, "/accounts", admin, name="bob", role="viewer")
    link = re.search(r"<code>(http://[^<]+/login\?token=[^<]+)</code>", made.text)
    assert link
    bob = cookies(await web.get(link.group(1).removeprefix(web.url), scope=""))
    assert "<h1>bob</h1>" in (await page(web, "/account", bob)).text
    assert (await submit(web, "/accounts/bob/role", admin, role="operator", comment="on call")).status == 303
    assert (await last(web))[0].says == "page:ada made bob operator, was viewer — on call"
    assert (await page(web, "/account", bob)).status == 303, "another role ends the sessions"
    bob = await browser_of(web, "bob")
    await submit(web, "/accounts/bob/sessions/end", admin)
    assert (await page(web, "/account", bob)).status == 303
    assert "signs in with this link" in (await submit(web, "/accounts/bob/link", admin)).text
    assert (await submit(web, "/accounts/bob/disabled", admin, disabled="yes")).status == 303
    assert "disabled" in (await page(web, "/accounts", admin)).text
    assert (await submit(web, "/accounts/bob/disabled", admin, disabled="no")).status == 303
    assert (await submit(web, "/accounts/bob/disabled", admin, disabled="maybe")).status == 422
    assert (await submit(web, "/accounts/bob/role", admin, role="root")).status == 422
    assert (await submit(web, "/accounts/ada/disabled", admin, disabled="yes")).status == 409


async def test_programs_manage_accounts_too(web: Running) -> None:
    made = await web.post("/api/v1/accounts", {"name": "bob", "role": "viewer"}, scope="admin")
    assert (made.status, made.json()["role"], made.json()["has_password"]) == (201, "viewer", False)
    path = (await web.post("/api/v1/accounts/bob/links", scope="admin")).json()["path"]
    bob = cookies(await web.get(path, scope=""))
    changed = await web.ask("PATCH", "/api/v1/accounts/bob", scope="admin", json={"role": "operator", "comment": "x"})
    assert changed.json()["role"] == "operator"
    assert (await page(web, "/account", bob)).status == 303
    assert (await web.ask("DELETE", "/api/v1/accounts/bob/sessions", scope="admin")).status == 204
    changed = await web.ask("PATCH", "/api/v1/accounts/bob", scope="admin", json={"disabled": True})
    assert changed.json()["disabled"] is True
    assert [one["name"] for one in (await web.get("/api/v1/accounts", scope="admin")).json()["items"]] == ["bob"]
    assert (await web.post("/api/v1/accounts", {"name": "BOB", "role": "viewer"}, scope="admin")).status == 409
    assert (await web.ask("PATCH", "/api/v1/accounts/eve", scope="admin", json={})).status == 404


async def test_every_order_tells_who_gave_it_and_from_where(web: Running) -> None:
    browser = await browser_of(web, "ada", Role.OPERATOR)
    await submit(web, "/pause", browser, reason="deployment")
    told = (await last(web))[0]
    assert (told.actor, told.data["from_address"], "deployment" in told.says) == ("page:ada", "127.0.0.1", True)
    await web.post("/api/v1/silences", {"matchers": {"a": "b"}, "comment": "known", "hours": 1})
    told = (await last(web))[0]
    assert (told.actor, told.data["from_address"], "known" in told.says) == ("api:operate", "127.0.0.1", True)


async def test_a_link_from_elsewhere_asks_for_one_press_of_a_button(web: Running) -> None:
    made = await web.post("/api/v1/accounts", {"name": "bob", "role": "viewer"}, scope="admin")
    assert made.status == 201
    path = (await web.post("/api/v1/accounts/bob/links", scope="admin")).json()["path"]
    shown = await web.get(path, scope="", headers={"Sec-Fetch-Site": "cross-site"})
    assert "Set-Cookie" not in shown.headers
    assert "signs you in once" in shown.text
    secret = path.partition("token=")[2]
    answer = await web.post("/login", data={"token": secret}, headers={"Sec-Fetch-Site": "same-origin"}, scope="")
    assert answer.status == 303
    assert (await web.get(path, scope="")).status == 401, "it is used up"


async def test_sign_ins_of_a_provider_are_offered_where_there_is_one(web: Running) -> None:
    assert "/login/oidc" not in (await web.get("/login", scope="")).text
    settings = Settings(targets=TARGETS)
    oidc = settings.accounts.oidc.with_(issuer="https://sso.example")
    web.settings.append(settings.with_(accounts=Accounts(oidc=oidc)))
    shown = await web.get("/login?next=/targets", scope="")
    assert 'href="/login/oidc?next=/targets"' in shown.text
