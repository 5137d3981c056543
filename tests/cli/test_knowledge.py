"""Earlier incidents, drafts and proposals, by command."""

from __future__ import annotations

from devops_agent.kit.testing import START
from devops_agent.model.action import Step
from devops_agent.model.knowledge import Document
from devops_agent.store import events, knowledge
from devops_agent.store.rows import Rows
from tests.cli.calling import Caller
from tests.web.test_knowledge import DRAFT, NAME, PROPOSAL


def fill(rows: Rows) -> None:
    for id_, vector in (("INC-1", (1.0, 0.0)), ("INC-2", (0.6, 0.8))):
        meta = {"target": "checkout", "kind": "down", "title": "it was down", "helped": "restart (docker.restart)"}
        knowledge.keep(rows, Document(id=id_, kind="incident", model="m", vector=vector, says="x", at=START, meta=meta))
    knowledge.keep_draft(rows, DRAFT)
    knowledge.keep_proposals(rows, target="checkout", kind="down", found=[PROPOSAL])


def test_incidents_like_a_closed_one_are_listed_with_what_helped(site: Caller) -> None:
    site.rows(fill)
    said = site.says("similar", "1")
    assert "INC-2" in said
    assert "0.60" in said
    assert "restart (docker.restart)" in said
    assert "INC-1 " not in said
    assert [one["incident"] for one in site.document("similar", "INC-1")] == ["INC-2"]
    assert "no incident" in site.refuses("similar", "INC-99", code=3)


def test_an_open_incident_is_compared_by_the_configured_embedding(site: Caller) -> None:
    with site.config.open("a") as config:
        config.write("knowledge: {embedding: hashing}\n")
    assert site.says("similar", "INC-3") == "no closed incident is remembered that could be like INC-3\n"
    assert site.rows(lambda rows: knowledge.get(rows, "INC-3") is not None)


def test_proposals_and_drafts_are_listed(site: Caller) -> None:
    assert site.says("proposals") == "nothing recurs\n"
    assert site.says("drafts") == "no draft waits for a person's word\n"
    site.rows(fill)
    assert "find what ends it" in site.says("proposals")
    assert NAME in site.says("drafts")
    assert site.document("drafts")[0]["standing"] == "waiting"


def test_a_draft_is_shown_as_the_file_that_it_would_become(site: Caller) -> None:
    site.rows(fill)
    said = site.says("draft", "show", NAME)
    assert "it ended down 3 of 3 times" in said
    assert f"name: {NAME}" in said
    assert "no draft 'other'" in site.refuses("draft", "show", "other", code=3)


def test_an_accepted_draft_becomes_a_runbook_of_ones_own(site: Caller) -> None:
    site.rows(fill)
    assert "name one under `runbooks:`" in site.refuses("draft", "accept", NAME, code=5)
    (site.folder / "own").mkdir()
    with site.config.open("a") as config:
        config.write("runbooks: [own]\n")
    assert NAME not in site.says("runbook", "list")
    file = site.folder / "own" / f"{NAME}.yaml"
    assert site.says("draft", "accept", NAME, "--comment", "good") == f"wrote {file}; the agent reads it at once\n"
    assert NAME in site.says("runbook", "list")
    assert "it ended down 3 of 3 times" in file.read_text()
    told = site.rows(lambda rows: events.latest(rows, limit=1))
    assert told[0].kind == "draft_accepted"
    assert "was accepted" in site.refuses("draft", "accept", NAME, code=1)


def test_a_draft_that_is_no_runbook_any_more_is_not_accepted(site: Caller) -> None:
    gone = DRAFT.with_(runbook=DRAFT.runbook.with_(steps=(Step(name="x", action="docker.vanish"),)))
    site.rows(lambda rows: knowledge.keep_draft(rows, gone))
    (site.folder / "own").mkdir()
    with site.config.open("a") as config:
        config.write("runbooks: [own]\n")
    assert "docker.vanish" in site.refuses("draft", "accept", NAME, code=5)
    assert list((site.folder / "own").iterdir()) == []
    assert site.document("drafts")[0]["standing"] == "waiting"


def test_a_rejected_draft_is_not_made_again(site: Caller) -> None:
    site.rows(fill)
    assert site.says("draft", "reject", NAME, "--comment", "mend the leak") == f"rejected {NAME}\n"
    assert not site.rows(lambda rows: knowledge.keep_draft(rows, DRAFT))
    assert "was rejected" in site.refuses("draft", "reject", NAME, code=1)
    assert "no draft 'other'" in site.refuses("draft", "reject", "other", code=3)
