"""Knowledge as rows: documents that are found by meaning, drafts of runbooks, proposals of permanent fixes.

A vector is kept as a JSON array, the one form that SQLite, sqlite-vec, PostgreSQL and pgvector all read. Without either
extension the vectors are compared here: 10,000 of 256 numbers took 0.34 s (sqlite-vec 0.52 s), most of it to read them,
so numpy would gain little, and the search may be asked in any process.
"""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING

import msgspec

from devops_agent.model.fact import from_json, to_json
from devops_agent.model.knowledge import Document, Draft, Proposal, Similar, Standing
from devops_agent.model.learning import HARMFUL, HELPED, USELESS
from devops_agent.model.prediction import PERSON, RIGHT, WRONG
from devops_agent.model.runbook import Runbook
from devops_agent.store.rows import Row, Rows, from_us, maybe_time, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_DOCUMENT = "id, kind, model, vector, says, meta_json, at"
_DRAFT = "name, status, runbook_json, reasons_json, made_at, answered_at, answered_by, comment"
_CONFIRMED, _REFUTED = 1.1, 0.67
"""What a person's word makes of a likeness."""
_SPARE = 20
_VECTOR = msgspec.json.Decoder(list[float])


def keep(rows: Rows, document: Document) -> None:
    """Write a document; one of the same id replaces the earlier."""
    rows.run(
        f"INSERT INTO documents ({_DOCUMENT}, dimensions) VALUES (:id, :kind, :model, :vector, :says, :meta_json, :at,"
        " :dimensions) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, model = excluded.model,"
        " vector = excluded.vector, says = excluded.says, meta_json = excluded.meta_json, at = excluded.at,"
        " dimensions = excluded.dimensions",
        id=document.id,
        kind=document.kind,
        model=document.model,
        vector=_written(document.vector),
        says=document.says,
        meta_json=to_json(document.meta),
        at=to_us(document.at),
        dimensions=len(document.vector),
    )


def get(rows: Rows, id_: str) -> Document | None:
    """Return a document."""
    row = rows.one(f"SELECT {_DOCUMENT} FROM documents WHERE id = :id", id=id_)
    return _document(row) if row else None


def similar(
    rows: Rows, vector: Sequence[float], *, model: str, kind: str = "incident", limit: int = 5, besides: str = ""
) -> list[tuple[Document, float]]:
    """Return the documents of `kind` that `model` finds most alike, each with its cosine, -1 to 1, the best first.

    `besides` names one that is left out: an incident is most alike to itself.
    """
    nearest = (
        _nearest_by_database(rows, vector, model=model, kind=kind, limit=limit, besides=besides)
        if rows.distance
        else _nearest_by_scan(rows, vector, model=model, kind=kind, limit=limit, besides=besides)
    )
    found = ((get(rows, id_), score) for id_, score in nearest)
    return [(document, score) for document, score in found if document is not None]


def like(rows: Rows, vector: Sequence[float], *, model: str, limit: int = 5, besides: str = "") -> list[Similar]:
    """Return the closed incidents most like `vector`, the best first; what people said of them weighs."""
    # More than asked for: what people have refuted makes room for what comes after it.
    found = similar(rows, vector, model=model, limit=limit + _SPARE, besides=besides)
    told = [_similar(document, score, _feedback(rows, document.id)) for document, score in found]
    # Among equals what tells a way out goes first, then the newest.
    return sorted(told, key=lambda one: (-one.score, not one.helped, -one.at.timestamp()))[:limit]


def _nearest_by_scan(
    rows: Rows, vector: Sequence[float], *, model: str, kind: str, limit: int, besides: str
) -> list[tuple[str, float]]:
    wanted = list(vector)
    scores = [
        (row["id"], sum(map(mul, wanted, _VECTOR.decode(row["vector"]))))
        for row in rows.all(
            "SELECT id, vector FROM documents WHERE kind = :kind AND model = :model AND dimensions = :dimensions"
            " AND id <> :besides",
            kind=kind,
            model=model,
            dimensions=len(wanted),
            besides=besides,
        )
    ]
    return sorted(scores, key=_best_first)[:limit]


def _nearest_by_database(
    rows: Rows, vector: Sequence[float], *, model: str, kind: str, limit: int, besides: str
) -> list[tuple[str, float]]:
    found = rows.all(
        f"SELECT id, {rows.distance} AS distance FROM documents WHERE kind = :kind AND model = :model"
        " AND dimensions = :dimensions AND id <> :besides ORDER BY distance, id LIMIT :limit",
        vector=_written(vector),
        kind=kind,
        model=model,
        dimensions=len(vector),
        besides=besides,
        limit=limit,
    )
    return [(row["id"], 1 - float(row["distance"])) for row in found]


def keep_draft(rows: Rows, draft: Draft) -> bool:
    """Write a draft that waits; False when one of its name was answered: a person's word stands."""
    return bool(
        rows.run(
            f"INSERT INTO drafts ({_DRAFT})"
            " VALUES (:name, :status, :runbook_json, :reasons_json, :made_at, NULL, '', '')"
            " ON CONFLICT (name) DO UPDATE SET runbook_json = excluded.runbook_json,"
            " reasons_json = excluded.reasons_json WHERE drafts.status = 'waiting'",
            name=draft.name,
            status=Standing.WAITING.value,
            runbook_json=to_json(draft.runbook),
            reasons_json=to_json(draft.reasons),
            made_at=to_us(draft.made_at),
        )
    )


def drafts(rows: Rows, *, standing: str = "") -> list[Draft]:
    """Return drafts by name; with `standing` only those that stand so."""
    return [
        _draft(row)
        for row in rows.all(
            f"SELECT {_DRAFT} FROM drafts WHERE :status = '' OR status = :status ORDER BY name", status=standing
        )
    ]


def draft(rows: Rows, name: str) -> Draft | None:
    """Return a draft."""
    row = rows.one(f"SELECT {_DRAFT} FROM drafts WHERE name = :name", name=name)
    return _draft(row) if row else None


def answer_draft(rows: Rows, name: str, to: Standing, *, by: str, comment: str, now: datetime) -> bool:
    """Accept or reject a draft that waits; False when there is none of that name that does."""
    return bool(
        rows.run(
            "UPDATE drafts SET status = :to, answered_at = :now, answered_by = :by, comment = :comment"
            " WHERE name = :name AND status = 'waiting'",
            to=to.value,
            now=to_us(now),
            by=by,
            comment=comment,
            name=name,
        )
    )


def keep_proposals(rows: Rows, *, target: str, kind: str, found: Iterable[Proposal]) -> None:
    """Replace what was proposed for a target and fault class: a pattern that has ended is proposed no more."""
    rows.run("DELETE FROM proposals WHERE target = :target AND kind = :kind", target=target, kind=kind)
    rows.many(
        "INSERT INTO proposals (id, target, kind, proposal_json, made_at)"
        " VALUES (:id, :target, :kind, :proposal_json, :made_at)",
        [
            {
                "id": one.id,
                "target": one.target,
                "kind": one.kind,
                "proposal_json": to_json(one),
                "made_at": to_us(one.made_at),
            }
            for one in found
        ],
    )


def proposals(rows: Rows) -> list[Proposal]:
    """Return what is proposed, the newest first."""
    found = rows.all("SELECT proposal_json FROM proposals ORDER BY made_at DESC, id")
    return [from_json(row["proposal_json"], Proposal) for row in found]


def forget(rows: Rows, *, texts_before: datetime, proposals_before: datetime) -> int:
    """Delete older texts of incidents, and proposals that nothing has renewed since; return how many.

    Texts of runbooks and drafts stay: those are there for as long as the runbook is.
    """
    texts = rows.run("DELETE FROM documents WHERE kind IN ('incident', 'open') AND at < :at", at=to_us(texts_before))
    return texts + rows.run("DELETE FROM proposals WHERE made_at < :at", at=to_us(proposals_before))


def mirrored(rows: Rows) -> int:
    """Return the number of the last event whose incident was mirrored elsewhere; 0: none."""
    row = rows.one("SELECT value FROM counters WHERE name = 'mirrored'")
    return int(row["value"]) if row else 0


def note_mirrored(rows: Rows, seq: int) -> None:
    """Write how far history is mirrored."""
    rows.run(
        "INSERT INTO counters (name, value) VALUES ('mirrored', :seq)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        seq=seq,
    )


def _feedback(rows: Rows, incident: str) -> tuple[str, ...]:
    """Return what people said of an incident's diagnosis, and of the last plan that was carried out."""
    verdict = rows.one(
        "SELECT verdict FROM predictions WHERE incident = :incident AND judged_by = :person"
        " AND verdict IN (:right, :wrong) ORDER BY at DESC LIMIT 1",
        incident=incident,
        person=PERSON,
        right=RIGHT,
        wrong=WRONG,
    )
    word = rows.one(
        "SELECT word FROM trials WHERE incident = :incident AND word <> '' ORDER BY word_at DESC LIMIT 1",
        incident=incident,
    )
    said = [f"diagnosis {verdict['verdict']}"] if verdict else []
    return (*said, str(word["word"])) if word else tuple(said)


def _similar(document: Document, cosine: float, feedback: tuple[str, ...]) -> Similar:
    refuted = bool({f"diagnosis {WRONG}", USELESS, HARMFUL} & set(feedback))
    confirmed = bool({f"diagnosis {RIGHT}", HELPED} & set(feedback)) and not refuted
    meta = document.meta
    return Similar(
        incident=document.id,
        score=round(cosine * (_REFUTED if refuted else _CONFIRMED if confirmed else 1.0), 4),
        target=meta.get("target", ""),
        kind=meta.get("kind", ""),
        says=meta.get("title", ""),
        helped="" if {USELESS, HARMFUL} & set(feedback) else meta.get("helped", ""),
        feedback=", ".join(feedback),
        at=document.at,
    )


def _best_first(one: tuple[str, float]) -> tuple[float, str]:
    return -one[1], one[0]


def _written(vector: Iterable[float]) -> str:
    """Six digits tell as much as the 32-bit numbers that vectors are made of."""
    return f"[{','.join(format(value, '.6g') for value in vector)}]"


def _document(row: Row) -> Document:
    return Document(
        id=row["id"],
        kind=row["kind"],
        model=row["model"],
        vector=tuple(_VECTOR.decode(row["vector"])),
        says=row["says"],
        meta=from_json(row["meta_json"], dict[str, str]),
        at=from_us(row["at"]),
    )


def _draft(row: Row) -> Draft:
    return Draft(
        name=row["name"],
        standing=Standing(row["status"]),
        runbook=from_json(row["runbook_json"], Runbook),
        reasons=from_json(row["reasons_json"], tuple[str, ...]),
        made_at=from_us(row["made_at"]),
        answered_at=maybe_time(row["answered_at"]),
        by=row["answered_by"],
        comment=row["comment"],
    )
