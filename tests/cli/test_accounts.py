from datetime import UTC, datetime

from devops_agent.store import accounts, events, tokens
from tests.cli.calling import Caller

PASSWORD = "correct horse battery"


def test_an_account_begins_with_a_link_that_is_shown_once(site: Caller) -> None:
    made = site.document("account", "add", "ada", "--role", "operator")
    secret = made["link"].partition("/login?token=")[2]
    found = site.rows(lambda rows: tokens.find(rows, secret, now=datetime.now(UTC)))
    assert found is not None
    assert (found.account, found.scope) == ("ada", "operate")
    assert "link only" in site.says("account", "list")
    listed = site.document("account", "list")
    assert [(one["name"], one["role"]) for one in listed] == [("ada", "operator")]
    assert secret not in site.says("account", "list", "--json")


def test_a_name_is_taken_once(site: Caller) -> None:
    site.call("account", "add", "ada", "--role", "operator")
    assert "account list" in site.refuses("account", "add", "Ada", "--role", "viewer", code=1)
    assert "account list" in site.refuses("account", "role", "bob", "viewer", code=3)


def test_a_password_is_asked_for_and_nowhere_kept(site: Caller) -> None:
    site.call("account", "add", "ada", "--role", "operator")
    said = site.call("account", "password", "ada", stdin=f"{PASSWORD}\n{PASSWORD}\n").output
    assert PASSWORD not in said
    kept = site.rows(lambda rows: accounts.password_of(rows, "ada"))
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD.encode() not in site.database.read_bytes()
    assert "12 to 256" in site.call("account", "password", "ada", stdin="short\nshort\n", code=2).stderr


def test_an_account_is_disabled_and_enabled_and_the_timeline_says_why(site: Caller) -> None:
    site.call("account", "add", "ada", "--role", "operator")
    secret = site.document("token", "create", "ci", "--scope", "operate", "--account", "ada")["secret"]
    assert "ada is disabled" in site.says("account", "disable", "ada", "--comment", "has left")
    assert site.rows(lambda rows: tokens.find(rows, secret, now=datetime.now(UTC))) is None
    told = site.rows(lambda rows: events.latest(rows, limit=1))[0]
    assert told.says.endswith("disabled account ada — has left")
    assert told.actor.startswith("cli:")
    assert "disabled" in site.says("account", "list")
    assert "ada is enabled" in site.says("account", "enable", "ada")
    assert "/login?token=" in site.says("account", "login-link", "ada")
    assert "ada is admin" in site.says("account", "role", "ada", "admin")
