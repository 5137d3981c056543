"""Learning, runbooks with rehearsals, silences and windows, settings, reports: what they tell and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.config.origin import Configured
from devops_agent.config.problems import Problem
from devops_agent.config.settings import Flags, Maintenance, Settings
from devops_agent.model.contact import Channel, Notify
from devops_agent.model.knowledge import Draft, Proposal
from devops_agent.model.runbook import Match, Runbook
from devops_agent.store import controls, events, knowledge
from tests.web.markup import HOSTILE, check, check_harmless
from tests.web.serving import SETTINGS

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows
    from tests.web.pages.conftest import Browser


async def test_learning_shows_how_right_it_is_and_what_may_act(operator: Browser) -> None:
    answer = await operator.get("/learning")
    check(answer)
    for told in ("The rules", "25 diagnoses judged", "Numbers of the curve", "22 of 30", "at 03:00", "memory-pressure"):
        assert told in answer.text
    assert '<li aria-current="step">auto</li>' in answer.text


async def test_a_runbook_is_shown_with_its_file_and_its_record(operator: Browser) -> None:
    assert "healed 22 of 30" in (await operator.get("/runbooks")).text
    answer = await operator.get("/runbooks/service-down")
    check(answer)
    assert "name: service-down" in answer.text
    assert (await operator.get("/runbooks/nonsense")).status == 404


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("incident=INC-1", "On checkout: down"),
        ("target=db", "On db: down"),
        ("labels=alertname%3DServiceDown,service%3Dcheckout", "On checkout: down"),
        ("target=checkout&labels=alertname%3DHighLatency", "service-down does not fit this alert"),
    ],
)
async def test_a_rehearsal_tells_what_would_be_done_and_does_nothing(operator: Browser, query: str, told: str) -> None:
    before = await operator.web.store.read(events.head)
    answer = await operator.get(f"/runbooks/service-down?{query}")
    check(answer)
    assert told in answer.text
    assert await operator.web.store.read(events.head) == before


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("incident=INC-99", 404),
        ("target=nobody", 404),
        ("labels=nonsense", 422),
        ("labels=a%3Db", 422),
        ("incident=INC-4", 409),
    ],
)
async def test_a_rehearsal_about_nothing_that_is_known_is_refused(operator: Browser, query: str, status: int) -> None:
    answer = await operator.get(f"/runbooks/service-down?{query}")
    assert answer.status == status
    assert "Go back" in answer.text


async def test_a_draft_is_reviewed_taken_along_or_rejected(operator: Browser) -> None:
    path = "/runbooks/drafts/memory-pressure-docker-restart"
    answer = await operator.get(path)
    check(answer)
    assert "devops-agent draft accept memory-pressure-docker-restart" in answer.text
    file = await operator.get(f"{path}.yaml")
    assert file.text.startswith("# INC-1: ada restarted it")
    assert "name: memory-pressure-docker-restart" in file.text
    rejected = await operator.post("/drafts/memory-pressure-docker-restart/reject", comment="mend the leak instead")
    assert rejected.status == 303
    text = (await operator.get(path)).text
    assert "Rejected by page:operate" in text
    assert "mend the leak instead" in text
    assert "Your word" not in text


async def test_silences_tell_whether_they_catch_anything_and_windows_when_they_open(operator: Browser) -> None:
    windows = (
        Maintenance(targets=("db*",), cron="0 3 * * *", lasts=timedelta(hours=2), reason="backup <b>"),
        Maintenance(cron="* * * * *", lasts=timedelta(minutes=5), reason="always open"),
        Maintenance(cron="0 0 31 2 *", reason="never"),
    )
    operator.web.settings.append(Settings(targets=SETTINGS.targets, web=SETTINGS.web, maintenance=windows))
    await operator.post("/silences", matchers="alertname=Down, service=payments", comment="known", hours="1")
    answer = await operator.get("/silences")
    check(answer)
    caught, open_ones = answer.text.split('id="windows"')
    assert '<td class="value">1</td>' in caught
    assert open_ones.index("always open") < open_ones.index("backup &lt;b&gt;") < open_ones.index("never again")


async def test_settings_tell_where_each_comes_from_and_hide_what_is_secret(admin: Browser) -> None:
    notify = Notify(channels=(Channel(name="chat", via="apprise", options={"url": "slack://T0K/EN1/SECRET99"}),))
    admin.web.settings.append(
        Settings(
            targets=SETTINGS.targets, web=SETTINGS.web, notify=notify, store_password_file="/run/secrets/pg",
            plugins={"prometheus": {"url": "http://u:hunter22@prom", "headers": {"X-Key": "abc"}}},
        )
    )  # fmt: skip
    answer = await admin.get("/settings")
    check(answer)
    for secret in ("SECRET99", "T0K", "hunter22", ">abc<"):
        assert secret not in answer.text
    assert "/run/secrets/pg" in answer.text
    assert "slack://" in answer.text


async def test_a_value_names_its_line_and_a_wrong_file_is_not_kept_secret(admin: Browser) -> None:
    problem = Problem(file="agent.yaml", line=7, where="web.listen", says="is <b>no</b> address")
    told = Configured(written={"web.listen": "agent.yaml:3"}, problems=(problem,))
    desk = admin.web.app.state.desk
    desk.parts = replace(desk.parts, configured=lambda: told)
    answer = await admin.get("/settings")
    check(answer)
    assert "agent.yaml:3" in answer.text
    assert "agent.yaml:7: web.listen: is &lt;b&gt;no&lt;/b&gt; address" in answer.text


async def test_a_switch_is_for_administrators_who_say_why(admin: Browser, operator: Browser) -> None:
    assert (await operator.post("/flags/AUTO_REMEDIATION_ENABLED", value="off", reason="x")).status == 403
    assert (await admin.post("/flags/AUTO_REMEDIATION_ENABLED", value="off", reason=" ")).status == 422
    assert (await admin.post("/flags/AUTO_REMEDIATION_ENABLED", value="maybe", reason="x")).status == 422
    assert (await admin.post("/flags/NONSENSE", value="on", reason="x")).status == 404
    assert (await admin.post("/flags/AUTO_REMEDIATION_ENABLED", value="off", reason="an audit")).status == 303
    text = (await admin.get("/settings")).text
    assert "Switched by page:admin" in text
    assert "Monitoring only." in text

    def read(rows: Rows) -> tuple[dict[str, bool], str]:
        return controls.flags(rows), events.latest(rows, limit=1)[0].says

    assert await admin.web.store.read(read) == (
        {"AUTO_REMEDIATION_ENABLED": False},
        "page:admin switched AUTO_REMEDIATION_ENABLED off: an audit",
    )
    await admin.post("/flags/AUTO_REMEDIATION_ENABLED", value="as configured", reason="it is over")
    assert (await admin.web.store.read(controls.flags)) == {}


async def test_only_administrators_see_the_configuration(operator: Browser) -> None:
    text = (await operator.get("/settings")).text
    assert "Only administrators see the configuration" in text
    assert "agent.db" not in text
    assert "requests_per_minute" not in text
    assert Flags.__struct_fields__[0] in text


@pytest.mark.parametrize("path", ["/reports/daily", "/reports/weekly", "/reports/monthly/2026-01", "/reports/changes"])
async def test_a_report_is_read_on_the_page_and_taken_along(operator: Browser, path: str) -> None:
    page = await operator.get(path)
    check(page)
    markdown = await operator.get(f"{path}?format=markdown")
    assert markdown.text.startswith("# ")
    saved = await operator.get(f"{path}?format=html")
    assert saved.headers["Content-Disposition"].startswith("attachment")


async def test_the_reports_there_are_and_objectives_are_listed(operator: Browser) -> None:
    answer = await operator.get("/reports")
    check(answer)
    assert "Yesterday" in answer.text
    assert "No target has an objective." in answer.text
    assert (await operator.get("/reports/weekly/nonsense")).status == 422


async def test_the_post_mortem_of_an_incident_is_drafted(operator: Browser) -> None:
    answer = await operator.get("/incidents/INC-1/post-mortem")
    check(answer)
    assert "checkout is down" in answer.text
    assert (await operator.get("/incidents/INC-99/post-mortem")).status == 404


async def test_what_was_learnt_from_strangers_is_only_text(admin: Browser) -> None:
    now = admin.web.clock.now()
    book = Runbook(name="hostile", says=HOSTILE, match=Match(kinds=(HOSTILE,)), advice=(HOSTILE,))
    proposal = Proposal(
        id="p", target=HOSTILE, kind=HOSTILE, pattern=HOSTILE, says=HOSTILE, advice=HOSTILE, incidents=(HOSTILE,),
        made_at=now,
    )  # fmt: skip

    def fill(rows: Rows) -> None:
        knowledge.keep_draft(rows, Draft(name="hostile", runbook=book, reasons=(HOSTILE,), made_at=now))
        knowledge.keep_proposals(rows, target=HOSTILE, kind=HOSTILE, found=[proposal])
        controls.silence(
            rows, matchers={HOSTILE: HOSTILE}, by=HOSTILE, comment=HOSTILE, begins_at=now,
            ends_at=now + timedelta(hours=1),
        )  # fmt: skip
        events.add(rows, "paused", HOSTILE, at=now, actor=HOSTILE, target=HOSTILE, incident="INC-1")

    await admin.web.store.write(fill)
    for path in (
        "/learning", "/runbooks", "/runbooks/drafts/hostile", "/silences", "/reports/changes",
        "/incidents/INC-1/post-mortem", "/settings",
    ):  # fmt: skip
        answer = await admin.get(path)
        check(answer)
        check_harmless(answer)
