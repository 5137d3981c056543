from datetime import UTC, datetime, timedelta

from devops_agent.store import events, tokens
from tests.cli.calling import Caller


def test_a_token_is_made_and_its_secret_is_shown_once(site: Caller) -> None:
    made = site.document("token", "create", "ada", "--scope", "operate", "--expires", "90d")
    found = site.rows(lambda rows: tokens.find(rows, made["secret"], now=datetime.now(UTC)))
    assert found is not None
    assert (found.name, found.scope) == ("ada", "operate")
    assert found.expires_at is not None
    assert found.expires_at - datetime.now(UTC) > timedelta(days=89)
    assert made["secret"] not in site.says("token", "list")
    assert "secret" not in site.document("token", "list")[0]


def test_for_people_only_the_secret_is_on_standard_output(site: Caller) -> None:
    secret = site.says("token", "create", "alertmanager", "--scope", "alerts").strip()
    assert site.rows(lambda rows: tokens.find(rows, secret, now=datetime.now(UTC))) is not None


def test_a_name_is_taken_once_while_its_token_lives(site: Caller) -> None:
    site.call("token", "create", "ada", "--scope", "read")
    assert "token revoke" in site.refuses("token", "create", "ada", "--scope", "read", code=1)
    site.call("token", "revoke", "ada")
    site.call("token", "create", "ada", "--scope", "read")


def test_names_of_the_page_cannot_be_taken(site: Caller) -> None:
    assert "the page's" in site.refuses("token", "create", "login-eve", "--scope", "admin", code=1)


def test_a_revoked_token_is_dead_and_listed_only_with_all(site: Caller) -> None:
    secret = site.document("token", "create", "ada", "--scope", "read")["secret"]
    assert "revoked ada" in site.says("token", "revoke", "ada")
    assert site.rows(lambda rows: tokens.find(rows, secret, now=datetime.now(UTC))) is None
    assert site.document("token", "list") == []
    assert [one["lives"] for one in site.document("token", "list", "--all")] == [False]
    assert "revoked" in site.says("token", "list", "--all")
    assert "token list" in site.refuses("token", "revoke", "ada", code=3)


def test_who_makes_and_revokes_tokens_is_kept_without_the_secret(site: Caller) -> None:
    secret = site.document("token", "create", "ada", "--scope", "read")["secret"]
    site.call("token", "revoke", "ada")
    kept = site.rows(lambda rows: events.latest(rows, limit=2))
    assert [one.kind for one in kept] == ["token", "token"]
    assert all(one.actor.startswith("cli:") and secret not in one.says for one in kept)


def test_a_link_is_an_admins_ticket_that_ends_soon(site: Caller) -> None:
    link = site.says("login").strip()
    secret = link.partition("/login?token=")[2]
    found = site.rows(lambda rows: tokens.find(rows, secret, now=datetime.now(UTC)))
    assert found is not None
    assert found.name.startswith("login-")
    assert found.scope == "admin"
    assert found.expires_at is not None
    assert found.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    assert set(site.document("login")) == {"link", "expires_at"}


def test_a_link_goes_where_people_reach_the_page(fresh: Caller) -> None:
    fresh.config.write_text("web: {public_url: https://ops.example.org/}\n")
    assert fresh.says("login").startswith("https://ops.example.org/login?token=")
